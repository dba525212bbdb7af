"""What lies on a disk that can be full: snapshots, transcripts, best files, workspaces."""
