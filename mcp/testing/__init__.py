"""What tests of every app share: draining operations in-process, and the generic proofs about operation kinds."""
