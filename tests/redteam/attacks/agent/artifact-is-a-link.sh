# case: 28
# row: 25
# expect: rejected
# why: The artifact is a symbolic link to a file of the host.
ln -sf /etc/passwd /app/answer.txt
