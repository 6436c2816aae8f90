// Scenarios with real processes.
