# case: 28
# row: 25
# expect: rejected
# slow: yes
# why: There is no artifact.
rm /app/answer.txt
