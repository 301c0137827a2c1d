// Seed: replaced by the first real file of Verification.
