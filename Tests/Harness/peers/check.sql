-- Checks double_entry.sql: outcomes, idempotency, and `transfer_batch` against `transfer_loop`.
-- Run in an empty database after double_entry.sql; stops at the first failure, leaves it empty.
\set ON_ERROR_STOP on
create function check_that(claim boolean, name text) returns void language plpgsql as $$
begin if claim is not true then raise exception 'failed: %', name; end if; end $$;

create function check_books() returns void language plpgsql as $$
begin
    perform check_that((select sum(debits) = sum(credits) from account), 'debits equal credits');
    perform check_that(not exists (
        select from account a where (debits, credits) <> (
            (select coalesce(sum(amount), 0) from transfer where debit = a.id),
            (select coalesce(sum(amount), 0) from transfer where credit = a.id))),
        'balances are the sums of the transfers');
    perform check_that(not exists (select from account where debits > credits + overdraft), 'overdraft');
end $$;

begin;
\o /dev/null
insert into account (id, overdraft) values (0, null), (1, 0), (2, 0);
create temp table t as select gen_random_uuid() as a, gen_random_uuid() as b;
select check_that((select transfer(a, 0, 1, 100) = 'created' from t), 'created');
select check_that((select transfer(a, 0, 1, 100) = 'exists' from t), 'exists');
select check_that((select transfer(a, 0, 1, 99) = 'exists_with_different_fields' from t), 'different');
select check_that((select transfer(b, 1, 2, 101) = 'exceeds_credits' from t), 'exceeds_credits');
select check_that((select transfer(b, 1, 9, 1) = 'account_not_found' from t), 'credit not found');
select check_that((select transfer(b, 9, 1, 1) = 'account_not_found' from t), 'debit not found');
select check_that((select transfer(b, 1, 2, 100) = 'created' from t), 'all of the credits');
select check_that((select count(*) = 2 from transfer), 'two transfers');
select check_that((select array_agg((debits, credits)::text order by id) =
    '{"(100,0)","(100,100)","(0,100)"}' from account), 'balances');
select check_books();
\o
rollback;

-- 300 random batches with repeated ids, unknown accounts and tight balances: both functions must
-- give the same outcomes and the same tables. A third of the batches debits account 0 only, which
-- has no limit, so that the set is taken as well.
create function state() returns text language sql as $$
    select (select string_agg((id, debits, credits)::text, ' ' order by id) from account)
        || (select string_agg((id, debit, credit, amount)::text, ' ' order by id) from transfer)
$$;

create table outcome (status text);

do $$
declare
    ids uuid[]; debits bigint[]; credits bigint[]; amounts numeric[];
    loop_outcome text; loop_state text; set_outcome text;
begin
    perform setseed(0.42);
    insert into account (id, overdraft)
    select id, case when id > 0 then 50 end from generate_series(0, 20) id;
    for round in 1 .. 300 loop
        select array_agg(lpad(to_hex((random() * 60000)::int), 32, '0')::uuid), array_agg(debit),
            array_agg((debit + 1 + (random() * (18 + (round % 3)))::int) % 22),
            array_agg(1 + (random() * case when round % 3 = 0 then 40 else 400 end)::int)
        into ids, debits, credits, amounts
        from (select case when round % 3 = 0 then 0 else (random() * 20)::int end as debit
              from generate_series(1, 40)) d;
        -- Three exact repeats and three repeats of an id with another amount, some of unpaid transfers.
        ids := ids || ids[1:6];
        debits := debits || debits[1:6];
        credits := credits || credits[1:6];
        amounts := amounts || amounts[1:3] || array[50, 51, 52]::numeric[];
        begin
            select string_agg(f::text, ' ') into loop_outcome
            from transfer_loop(ids, debits, credits, amounts) f;
            loop_state := state();
            raise exception using errcode = 'P0999'; -- Undoes the loop.
        exception when sqlstate 'P0999' then null;
        end;
        with f as (select * from transfer_batch(ids, debits, credits, amounts)),
            kept as (insert into outcome select f.status from f)
        select string_agg(f::text, ' ') into set_outcome from f;
        perform check_that(set_outcome is not distinct from loop_outcome, 'outcomes, round ' || round);
        perform check_that(state() = loop_state, 'state, round ' || round);
        perform check_books();
        if round % 3 = 0 then
            perform check_that((select count(*) = 46 and every(f.status like 'exists%')
                from transfer_batch(ids, debits, credits, amounts) f), 'retry, round ' || round);
            perform check_that(state() = loop_state, 'state after retry, round ' || round);
        end if;
    end loop;
end $$;

select count(*) as created from transfer;
select status, count(*) from outcome group by status order by status;
drop table outcome;
drop function state, check_books, check_that;
truncate account, transfer;
