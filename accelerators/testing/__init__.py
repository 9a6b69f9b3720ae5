"""A small world for tests: an account, a simulated pod, images; with the questions tests ask of it."""
