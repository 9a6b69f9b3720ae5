"""The kernel: settings, errors, operations, events, API plumbing. It knows no pod and no accelerator."""
