-- Benchmark data for double_entry.sql: 10,000 accounts, funded from account 0.
\set ON_ERROR_STOP on
truncate account, transfer;
insert into account (id, overdraft, debits) values (0, null, 10000 * 1e12);
insert into account (id, credits) select id, 1e12 from generate_series(1, 10000) id;
vacuum analyze account, transfer;
checkpoint;

-- A 128-bit id that rises with time, as TigerBeetle recommends.
create or replace function new_id() returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1e6)::bigint), 16, '0')
        || right(gen_random_uuid()::text, 17))::uuid
$$;

-- A batch of random transfers between the accounts 1 ... 10,000.
create or replace function new_batch(
    n int, out ids uuid[], out debits bigint[], out credits bigint[], out amounts numeric[])
language sql volatile as $$
    select array_agg(new_id()), array_agg(debit), array_agg(1 + (debit + (random() * 9998)::int) % 10000),
        array_agg(1 + (random() * 999)::int)
    from (select 1 + (random() * 9999)::int as debit from generate_series(1, n)) d
$$;
