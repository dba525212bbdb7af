# case: 28
# row: 25
# expect: rejected
# slow: yes
# why: The artifact is a folder.
rm /app/answer.txt
mkdir -p /app/answer.txt/deeper
