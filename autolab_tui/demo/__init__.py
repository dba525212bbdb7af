"""The scripted model server behind `autolab demo`; nothing else in the house knows of it.

It speaks the chat-completions wire format on the loopback interface and plays three personas whose
work is real: their edits and commands pass through the ordinary agent loop, sandbox and verifier.
"""
