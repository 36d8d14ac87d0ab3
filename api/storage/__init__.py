"""What is kept: jobs and tokens in a database, uploads and results in a folder."""
