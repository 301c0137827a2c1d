select count(f.*) from new_batch(:n) b, transfer_batch(b.ids, b.debits, b.credits, b.amounts) f;
