"""Files that requests bring of users' texts: `uploads` is in the server, the rest in a process for each request."""
