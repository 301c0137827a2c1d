-- Double-entry transfers in PostgreSQL 15: the peer that the ledger is measured against.
--
-- An id is used at most once, money only moves between two accounts, and no account is debited
-- past its credits plus its overdraft. Every function locks accounts in id order before it writes,
-- so that concurrent calls do not deadlock on accounts. Malformed input (an amount that is not
-- positive, equal accounts, nulls) aborts the call through the table constraints.

create table account (
    id        bigint primary key,
    debits    numeric(39, 0) not null default 0,
    credits   numeric(39, 0) not null default 0,
    overdraft numeric(39, 0) default 0, -- Null: unlimited.
    check (debits <= credits + overdraft)
) with (fillfactor = 50); -- Room for updates within the page.

create table transfer (
    id        uuid primary key,
    debit     bigint not null,
    credit    bigint not null check (credit <> debit),
    amount    numeric(39, 0) not null check (amount > 0),
    timestamp timestamptz not null default clock_timestamp()
);

-- The outcome of a transfer that was not created.
create function transfer_failure(p_id uuid, p_debit bigint, p_credit bigint, p_amount numeric)
returns text language sql stable as $$
    select coalesce(
        (select case when (debit, credit, amount) = (p_debit, p_credit, p_amount)
                then 'exists' else 'exists_with_different_fields' end
         from transfer where id = p_id),
        case when (select count(*) from account where id in (p_debit, p_credit)) < 2
            then 'account_not_found' else 'exceeds_credits' end)
$$;

-- One transfer. Returns its outcome: created, exists, exceeds_credits and so on.
create function transfer(p_id uuid, p_debit bigint, p_credit bigint, p_amount numeric)
returns text language plpgsql as $$
declare
    funded boolean;
    known boolean;
begin
    select bool_or(id = p_debit and coalesce(debits + p_amount <= credits + overdraft, true)),
        bool_or(id = p_credit)
    into funded, known
    from (select * from account where id in (p_debit, p_credit) order by id for no key update) locked;

    insert into transfer (id, debit, credit, amount)
    select p_id, p_debit, p_credit, p_amount where funded and known
    on conflict (id) do nothing;
    if not found then
        return transfer_failure(p_id, p_debit, p_credit, p_amount);
    end if;

    update account set
        debits = debits + case id when p_debit then p_amount else 0 end,
        credits = credits + case id when p_credit then p_amount else 0 end
    where id in (p_debit, p_credit);
    return 'created';
end
$$;

-- A batch, one transfer after the other. Returns the (zero-based) transfers not created.
create function transfer_loop(p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts numeric[])
returns table (index int, status text) language plpgsql as $$
begin
    perform from account where id = any (p_debits || p_credits) order by id for no key update;
    for i in 1 .. cardinality(p_ids) loop
        status := transfer(p_ids[i], p_debits[i], p_credits[i], p_amounts[i]);
        if status <> 'created' then
            index := i - 1;
            return next;
        end if;
    end loop;
end
$$;

-- A batch as a set, with the outcome of `transfer_loop`. The set is taken when no order of its
-- transfers can overdraw an account; a batch that may overdraw one goes through the loop.
create function transfer_batch(p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts numeric[])
returns table (index int, status text) language plpgsql as $$
declare
    safe boolean;
    created uuid[];
begin
    with delta as (
        select account_id, sum(debit) as debit
        from (select unnest(p_debits), unnest(p_amounts)
              union all select unnest(p_credits), 0) as entry (account_id, debit)
        group by account_id
    ), locked as (
        select * from account where id in (select account_id from delta)
        order by id for no key update
    )
    select every(id is not null and coalesce(debits + debit <= credits + overdraft, true))
    into safe from delta left join locked on id = account_id;
    if not safe then
        return query select * from transfer_loop(p_ids, p_debits, p_credits, p_amounts);
        return;
    end if;

    with fresh as (
        insert into transfer (id, debit, credit, amount)
        select id, debit, credit, amount
        from unnest(p_ids, p_debits, p_credits, p_amounts) with ordinality
            as input (id, debit, credit, amount, position)
        order by id, position -- Concurrent batches take their ids in one order.
        on conflict (id) do nothing
        returning id, debit, credit, amount
    ), delta as (
        select account_id, sum(debit) as debit, sum(credit) as credit
        from (select fresh.debit, amount, 0 from fresh
              union all select fresh.credit, 0, amount from fresh) as entry (account_id, debit, credit)
        group by account_id
    ), moved as (
        update account set debits = debits + delta.debit, credits = credits + delta.credit
        from delta where id = account_id
    )
    select array_agg(id) into created from fresh;
    if cardinality(created) = cardinality(p_ids) then
        return;
    end if;

    return query
    select (position - 1)::int, transfer_failure(id, debit, credit, amount)
    from (select *, row_number() over (partition by id order by position) as occurrence
          from unnest(p_ids, p_debits, p_credits, p_amounts) with ordinality
              as input (id, debit, credit, amount, position)) as numbered
    where occurrence > 1 or id <> all (coalesce(created, '{}'))
    order by position;
end
$$;
