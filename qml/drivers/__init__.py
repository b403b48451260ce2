"""Floor 2: drivers, each of which keeps rows and knows neither another nor a job."""
