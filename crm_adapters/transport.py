"""One HTTP session a connection: deadlines, body cap, and what a failure says about the request."""
