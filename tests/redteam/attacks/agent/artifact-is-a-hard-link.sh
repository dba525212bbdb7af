# case: 28
# row: 25
# expect: rejected
# slow: yes
# why: The artifact has a second name, through which it could be changed later.
echo 1 >/app/answer.txt
ln /app/answer.txt /app/other
