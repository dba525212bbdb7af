# case: 28
# row: 25
# expect: rejected
# why: Nearly a gigabyte that take no room.
truncate -s 900M /app/answer.txt
