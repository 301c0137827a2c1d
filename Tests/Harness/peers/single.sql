\set debit random(1, 10000)
\set credit 1 + (:debit + random(0, 9998)) % 10000
\set amount random(1, 1000)
select transfer(new_id(), :debit, :credit, :amount);
