"""Floor 4: tasks, the app, and the server of threads that runs jobs."""
