"""What worker processes of the libraries load: tasks, and where the server is."""
