# case: 28
# row: 25
# expect: rejected
# slow: yes
# why: The artifact is a FIFO, which would hang whoever opens it.
rm /app/answer.txt
mkfifo /app/answer.txt
