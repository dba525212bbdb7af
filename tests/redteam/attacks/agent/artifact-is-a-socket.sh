# case: 28
# row: 25
# expect: rejected
# slow: yes
# why: The artifact is a socket.
rm /app/answer.txt
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/app/answer.txt")'
