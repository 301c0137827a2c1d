/* Exchequer payout: cumulative Merkle payouts of one SPL token, for Solana's virtual machine.
 *
 * A settler commits a root of what everybody was ever owed. After a delay, in which a guardian may
 * dispute it, anyone makes it active; then anyone may have a payee paid what the root says less
 * what it had before. Bytes, accounts and errors: docs/reference/solana-payout-program.md.
 *
 * Freestanding C for `clang --target=bpfel`, linked by sbpf_link.py: one code section, no writable
 * data, at most five arguments, at most 4,096 bytes of stack.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define INLINE static inline __attribute__((always_inline))

/* ---- the machine: structures and calls of solana's C interface (the sol folder of its SDK) */

struct slice {
    const u8 *bytes;
    u64 count;
};

struct meta {
    const u8 *key;
    u8 is_writable, is_signer;
};

struct instruction {
    const u8 *program;
    const struct meta *metas;
    u64 meta_count;
    const u8 *data;
    u64 data_count;
};

struct account {
    const u8 *key;
    u64 *lamports;
    u64 data_count;
    u8 *data;
    const u8 *owner;
    u64 rent_epoch;
    u8 is_signer, is_writable, is_executable;
};

struct seeds {
    const struct slice *slices;
    u64 count;
};

struct clock {
    u64 slot, epoch_start, epoch, leader_epoch, unix_time;
};

struct rent {
    u64 lamports_per_byte_year;
    u64 exemption_years; /* the bits of a double */
    u8 burn_percent;
};

extern u64 sol_keccak256(const struct slice *, u64, u8 *);
extern u64 sol_invoke_signed_c(
    const struct instruction *, const struct account *, u64, const struct seeds *, u64);
extern u64 sol_try_find_program_address(
    const struct slice *, u64, const u8 *program, u8 *address, u8 *bump);
extern u64 sol_get_clock_sysvar(struct clock *);
extern u64 sol_get_rent_sysvar(struct rent *);

/* ---- errors; the machine shows them as Custom(number) */

enum {
    BAD_INSTRUCTION = 100,  /* no such kind, or not of the length of its kind */
    WRONG_ACCOUNT_COUNT,    /* more or fewer accounts than the instruction has */
    DUPLICATE_ACCOUNT,      /* one account in two places */
    NOT_WRITABLE,           /* an account that changes was not given as writable */
    MISSING_SIGNATURE,      /* an account that decides did not sign */
    NOT_A_POOL,             /* not owned by the program, or not the content of a pool */
    NOT_A_RECORD,           /* the same of a record, or one of another pool or payee */
    WRONG_ROLE,             /* signed by another key than the role's */
    WRONG_ADDRESS,          /* not the address that follows from the seeds */
    ALREADY_THERE,          /* the pool or record exists */
    WRONG_PROGRAM,          /* not the system program, or not the pool's token program */
    BAD_MINT,               /* not a ready mint, or one with extensions */
    BAD_VAULT,              /* not the pool's vault, or a vault that others could empty */
    BAD_DESTINATION,        /* a token account that must not be paid into */
    DELAY_TOO_LONG,         /* above MAX_DELAY */
    EPOCH_ORDER,            /* not the last epoch plus one */
    ROOT_WAITING,           /* a root waits already */
    NO_ROOT_WAITING,        /* none waits, or another one than named */
    TOO_EARLY,              /* the delay is not over */
    TOO_LATE,               /* the delay is over */
    EMPTY_ROOT,             /* a root of zeros */
    TOTAL_SHRINKS,          /* below the active total */
    UNDERFUNDED,            /* the vault does not hold what would be owed */
    BAD_PROOF,              /* does not lead to the active root */
    NOTHING_TO_CLAIM,       /* the payee had it all */
    OVER_TOTAL,             /* all claims together would be above the total */
    EMPTY_KEY,              /* a key of zeros where somebody must be able to sign */
    NO_ROLES_WAITING,       /* no change of roles waits */
    CLOCK_OVERFLOW,         /* a slot beyond 64 bits */
    EMPTY_JOURNAL,          /* a journal head of zeros: a root that names no books */
    EMPTY_LIABILITIES       /* the same of the root of what is owed */
};

/* ---- constants */

#define POOL_TAG 0x314c4f4f50484358ull   /* "XCHPOOL1" */
#define RECORD_TAG 0x3144524352484358ull /* "XCHRCRD1" */
/* About 92 days of 400 ms. */
#define MAX_DELAY 20000000ull
#define MAX_PROOF 32
#define MINT_BYTES 82
#define TOKEN_ACCOUNT_BYTES 165
/* The loader leaves room behind every account's data. */
#define GROWTH_BYTES 10240
#define NOT_DUPLICATE 0xff
#define ONE_AS_DOUBLE 0x3ff0000000000000ull

/* Keccak-256 of "exchequer.solana.claim.v1". */
static const u8 claim_domain[32] __attribute__((aligned(8))) = {
    0x18, 0x9b, 0xcd, 0x5b, 0x8e, 0x31, 0xfb, 0xc2, 0x45, 0x05, 0x65, 0x86,
    0x41, 0xb3, 0xe0, 0x11, 0xd2, 0x24, 0x31, 0x1b, 0x99, 0x8f, 0xb4, 0x1f,
    0xe1, 0x73, 0xa0, 0x7d, 0xfd, 0x55, 0x23, 0x3a};
static const u8 system_program[32] __attribute__((aligned(8))) = {0};
/* TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA */
static const u8 token_program[32] __attribute__((aligned(8))) = {
    0x06, 0xdd, 0xf6, 0xe1, 0xd7, 0x65, 0xa1, 0x93, 0xd9, 0xcb, 0xe1, 0x46,
    0xce, 0xeb, 0x79, 0xac, 0x1c, 0xb4, 0x85, 0xed, 0x5f, 0x5b, 0x37, 0x91,
    0x3a, 0x8c, 0xf5, 0x85, 0x7e, 0xff, 0x00, 0xa9};
/* TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb */
static const u8 token_2022_program[32] __attribute__((aligned(8))) = {
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc,
    0xe4, 0x6c, 0xcd, 0xda, 0xb6, 0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27,
    0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc};

/* ---- what the program keeps; all numbers little endian */

struct pool {
    u64 tag;
    u64 delay;            /* slots from commit to activation, and of a change of roles */
    u64 epoch;            /* of the last commit, disputed or not */
    u64 active_epoch;     /* of the root that pays, 0 for none */
    u64 active_total;     /* the sum of its leaves */
    u64 claimed_total;    /* what was ever paid */
    u64 waiting_total;    /* the sum of the waiting root's leaves */
    u64 active_from;      /* the slot from which the waiting root may be made active */
    u64 roles_from;       /* the slot from which the waiting roles may be taken */
    u8 bump;
    u8 is_waiting;        /* a root waits */
    u8 roles_wait;        /* a change of roles waits */
    u8 reserved[5];
    u8 active_root[32];
    u8 waiting_root[32];
    u8 active_journal[32];
    u8 waiting_journal[32];
    /* The first four words of every leaf, side by side. */
    u8 domain[32];
    u8 cluster[32];
    u8 address[32];
    u8 mint[32];
    u8 vault[32];
    u8 token[32];
    u8 opener[32];        /* whose seed the address has */
    u8 admin[32];
    u8 settler[32];
    u8 guardian[32];
    u8 next_admin[32];
    u8 next_settler[32];
    u8 next_guardian[32];
    u8 active_liabilities[32];
    u8 waiting_liabilities[32];
};

struct record {
    u64 tag;
    u8 pool[32];
    u8 payee[32];
    u64 cumulative; /* what the payee was ever paid */
};

_Static_assert(sizeof(struct pool) == 688, "the documented size of a pool");
_Static_assert(sizeof(struct record) == 80, "the documented size of a record");

/* What an instruction was given. */
struct call {
    struct account accounts[8];
    u64 count;
    const u8 *data; /* behind the kind */
    u64 data_count;
    const u8 *self;
};

/* ---- bytes */

/* The loader aligns what it hands over to eight bytes, and all fields here are of words. */
INLINE u64 word(const u8 *bytes) {
    return *(const u64 *)bytes;
}

INLINE int same(const u8 *a, const u8 *b) {
    return word(a) == word(b) && word(a + 8) == word(b + 8) && word(a + 16) == word(b + 16) &&
           word(a + 24) == word(b + 24);
}

INLINE int is_zero(const u8 *a) {
    return same(a, system_program);
}

INLINE void copy(u8 *to, const u8 *from) {
    for (int i = 0; i < 32; i += 8) *(u64 *)(to + i) = word(from + i);
}

/* Whether a comes before b as a big-endian number. */
INLINE int precedes(const u8 *a, const u8 *b) {
    for (int i = 0; i < 32; i += 8) {
        u64 left = word(a + i), right = word(b + i);
        if (left != right) return __builtin_bswap64(left) < __builtin_bswap64(right);
    }
    return 0;
}

INLINE u64 slot_now(void) {
    struct clock now;
    sol_get_clock_sysvar(&now);
    return now.slot;
}

/* ---- checks */

INLINE struct pool *pool_of(const struct call *call, const struct account *account) {
    struct pool *pool = (struct pool *)account->data;
    if (!same(account->owner, call->self) || account->data_count != sizeof(struct pool)) return 0;
    return pool->tag == POOL_TAG ? pool : 0;
}

/* Token account layout (spl_token::state::Account): mint 0, owner 32, amount 64, delegate option
 * 72, state 108, close authority option 129. */
INLINE int is_token_account(const struct account *account, const u8 *token, const u8 *mint) {
    return same(account->owner, token) && account->data_count >= TOKEN_ACCOUNT_BYTES &&
           same(account->data, mint) && account->data[108] == 1;
}

INLINE int has_close_authority(const u8 *data) {
    return data[129] | data[130] | data[131] | data[132];
}

INLINE int has_other_hands(const struct account *account) {
    return *(const u32 *)(account->data + 72) != 0 || has_close_authority(account->data);
}

/* Creates `account` at the address of `seeds`, whether or not a stranger sent lamports there.
 * accounts[0] pays and `system` is the system program. */
static u64 create(
    struct call *call, struct account *account, u64 size, const struct seeds *signature) {
    const struct account *payer = &call->accounts[0];
    struct rent rent;
    sol_get_rent_sysvar(&rent);
    /* Exempt from two years' rent on, or from one where a cluster counts so. */
    u64 years = rent.exemption_years == ONE_AS_DOUBLE ? 1 : 2;
    u64 wanted = (128 + size) * rent.lamports_per_byte_year * years;
    u64 there = *account->lamports;
    struct meta metas[2] = {{payer->key, 1, 1}, {account->key, 1, 0}};
    u64 data[7];
    u8 *bytes = (u8 *)data;
    struct instruction instruction = {system_program, metas, 2, bytes, 12};
    if (there < wanted) {
        *(u32 *)bytes = 2; /* Transfer: u32 kind, u64 lamports */
        u64 missing = wanted - there;
        for (int i = 0; i < 8; i++) bytes[4 + i] = (u8)(missing >> 8 * i);
        u64 fault = sol_invoke_signed_c(&instruction, call->accounts, call->count, signature, 0);
        if (fault) return fault;
    }
    metas[0] = (struct meta){account->key, 1, 1};
    instruction.meta_count = 1;
    *(u32 *)bytes = 8; /* Allocate: u32 kind, u64 size */
    for (int i = 0; i < 8; i++) bytes[4 + i] = (u8)(size >> 8 * i);
    u64 fault = sol_invoke_signed_c(&instruction, call->accounts, call->count, signature, 1);
    if (fault) return fault;
    account->data_count = word(account->data - 8);
    *(u32 *)bytes = 1; /* Assign: u32 kind, owner */
    for (int i = 0; i < 32; i++) bytes[4 + i] = call->self[i];
    instruction.data_count = 36;
    return sol_invoke_signed_c(&instruction, call->accounts, call->count, signature, 1);
}

/* ---- the instructions */

/* 0: opener (signs, pays), pool, mint, vault, token program, system program
 *    delay u64, cluster 32, settler 32, guardian 32 */
static u64 open(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 6) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 104) return BAD_INSTRUCTION;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    if (!a[0].is_writable || !a[1].is_writable) return NOT_WRITABLE;
    if (!same(a[5].key, system_program)) return WRONG_PROGRAM;
    const u8 *token = a[4].key;
    if (!same(token, token_program) && !same(token, token_2022_program)) return WRONG_PROGRAM;
    /* Mint layout: authority 0..36, supply 36, decimals 44, is ready 45. Extensions (fees, hooks,
     * delegates that may take anything) would come behind and are refused. */
    if (!same(a[2].owner, token) || a[2].data_count != MINT_BYTES || a[2].data[45] != 1)
        return BAD_MINT;
    if (!is_token_account(&a[3], token, a[2].key) || !same(a[3].data + 32, a[1].key) ||
        has_other_hands(&a[3]))
        return BAD_VAULT;
    u64 delay = word(call->data);
    if (delay > MAX_DELAY) return DELAY_TOO_LONG;
    const u8 *settler = call->data + 40, *guardian = call->data + 72;
    if (is_zero(settler) || is_zero(guardian)) return EMPTY_KEY;
    /* The bump is searched here and never taken from outside. */
    u8 address[32] __attribute__((aligned(8))), bump;
    struct slice seeds[4] = {
        {(const u8 *)"pool", 4}, {a[0].key, 32}, {a[2].key, 32}, {&bump, 1}};
    sol_try_find_program_address(seeds, 3, call->self, address, &bump);
    if (!same(address, a[1].key)) return WRONG_ADDRESS;
    if (!same(a[1].owner, system_program)) return ALREADY_THERE;
    struct seeds signature = {seeds, 4};
    u64 fault = create(call, &a[1], sizeof(struct pool), &signature);
    if (fault) return fault;
    struct pool *pool = (struct pool *)a[1].data;
    pool->tag = POOL_TAG;
    pool->delay = delay;
    pool->bump = bump;
    copy(pool->domain, claim_domain);
    copy(pool->cluster, call->data + 8);
    copy(pool->address, a[1].key);
    copy(pool->mint, a[2].key);
    copy(pool->vault, a[3].key);
    copy(pool->token, token);
    copy(pool->opener, a[0].key);
    copy(pool->admin, a[0].key);
    copy(pool->settler, settler);
    copy(pool->guardian, guardian);
    return 0;
}

/* 1: settler (signs), pool, vault
 *    epoch u64, total u64, root 32, journal 32, liabilities 32 */
static u64 commit(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 3) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 112) return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[1]);
    if (!pool) return NOT_A_POOL;
    if (!a[1].is_writable) return NOT_WRITABLE;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    if (!same(a[0].key, pool->settler)) return WRONG_ROLE;
    if (!same(a[2].key, pool->vault)) return BAD_VAULT;
    u64 epoch = word(call->data), total = word(call->data + 8), now = slot_now();
    if (pool->is_waiting) return ROOT_WAITING;
    if (epoch != pool->epoch + 1) return EPOCH_ORDER;
    if (total < pool->active_total) return TOTAL_SHRINKS;
    if (total - pool->claimed_total > word(a[2].data + 64)) return UNDERFUNDED;
    if (now + pool->delay < now) return CLOCK_OVERFLOW;
    const u8 *root = call->data + 16, *journal = root + 32, *liabilities = root + 64;
    if (is_zero(root)) return EMPTY_ROOT;
    /* The books that the root is of: which history, and what was owed to everybody then. */
    if (is_zero(journal)) return EMPTY_JOURNAL;
    if (is_zero(liabilities)) return EMPTY_LIABILITIES;
    pool->epoch = epoch;
    pool->waiting_total = total;
    pool->active_from = now + pool->delay;
    pool->is_waiting = 1;
    copy(pool->waiting_root, root);
    copy(pool->waiting_journal, journal);
    copy(pool->waiting_liabilities, liabilities);
    return 0;
}

/* 2: pool. Anyone. */
static u64 activate(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 1) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 0) return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[0]);
    if (!pool) return NOT_A_POOL;
    if (!a[0].is_writable) return NOT_WRITABLE;
    if (!pool->is_waiting) return NO_ROOT_WAITING;
    if (slot_now() < pool->active_from) return TOO_EARLY;
    pool->active_epoch = pool->epoch;
    pool->active_total = pool->waiting_total;
    pool->is_waiting = 0;
    copy(pool->active_root, pool->waiting_root);
    copy(pool->active_journal, pool->waiting_journal);
    copy(pool->active_liabilities, pool->waiting_liabilities);
    return 0;
}

/* 3: guardian (signs), pool
 *    epoch u64 */
static u64 dispute(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 2) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 8) return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[1]);
    if (!pool) return NOT_A_POOL;
    if (!a[1].is_writable) return NOT_WRITABLE;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    if (!same(a[0].key, pool->guardian)) return WRONG_ROLE;
    if (!pool->is_waiting || word(call->data) != pool->epoch) return NO_ROOT_WAITING;
    if (slot_now() >= pool->active_from) return TOO_LATE;
    pool->is_waiting = 0;
    return 0;
}

/* 4: payer (signs, pays), pool, record, system program
 *    payee 32. Anyone, for anyone. */
static u64 enrol(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 4) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 32) return BAD_INSTRUCTION;
    if (!pool_of(call, &a[1])) return NOT_A_POOL;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    if (!a[0].is_writable || !a[2].is_writable) return NOT_WRITABLE;
    if (!same(a[3].key, system_program)) return WRONG_PROGRAM;
    const u8 *payee = call->data;
    u8 address[32] __attribute__((aligned(8))), bump;
    struct slice seeds[4] = {{(const u8 *)"paid", 4}, {a[1].key, 32}, {payee, 32}, {&bump, 1}};
    sol_try_find_program_address(seeds, 3, call->self, address, &bump);
    if (!same(address, a[2].key)) return WRONG_ADDRESS;
    if (!same(a[2].owner, system_program)) return ALREADY_THERE;
    struct seeds signature = {seeds, 4};
    u64 fault = create(call, &a[2], sizeof(struct record), &signature);
    if (fault) return fault;
    struct record *record = (struct record *)a[2].data;
    record->tag = RECORD_TAG;
    copy(record->pool, a[1].key);
    copy(record->payee, payee);
    return 0;
}

/* The root that a leaf leads to: a parent is Keccak-256 of the smaller child, then the larger. */
INLINE void fold(u8 *node, const u8 *proof, u64 siblings) {
    struct slice pair[2] = {{node, 32}, {node, 32}};
    for (const u8 *end = proof + 32 * siblings; proof < end; proof += 32) {
        int is_first = precedes(node, proof);
        pair[!is_first].bytes = node;
        pair[is_first].bytes = proof;
        sol_keccak256(pair, 2, node);
    }
}

/* 5: pool, vault, destination, token program, record, payee
 *    cumulative u64, siblings 32 each. Anyone; to an account that the payee owns, or to any when
 *    it signs. */
static u64 claim(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 6) return WRONG_ACCOUNT_COUNT;
    u64 siblings = (call->data_count - 8) / 32;
    if (call->data_count < 8 || siblings > MAX_PROOF || call->data_count != 8 + 32 * siblings)
        return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[0]);
    if (!pool) return NOT_A_POOL;
    if (!a[0].is_writable || !a[4].is_writable) return NOT_WRITABLE;
    if (!same(a[1].key, pool->vault)) return BAD_VAULT;
    if (!same(a[3].key, pool->token)) return WRONG_PROGRAM;
    struct record *record = (struct record *)a[4].data;
    if (!same(a[4].owner, call->self) || a[4].data_count != sizeof(struct record) ||
        record->tag != RECORD_TAG || !same(record->pool, a[0].key) ||
        !same(record->payee, a[5].key))
        return NOT_A_RECORD;
    if (!is_token_account(&a[2], pool->token, pool->mint)) return BAD_DESTINATION;
    /* Without the payee's word it goes where only the payee can take it. */
    if (!a[5].is_signer && (!same(a[2].data + 32, a[5].key) || has_other_hands(&a[2])))
        return BAD_DESTINATION;

    u64 cumulative = word(call->data);
    u8 node[32] __attribute__((aligned(8)));
    u64 amount_word[4] = {0, 0, 0, __builtin_bswap64(cumulative)};
    struct slice leaf[3] = {{pool->domain, 128}, {a[5].key, 32}, {(const u8 *)amount_word, 32}};
    sol_keccak256(leaf, 3, node);
    struct slice once = {node, 32};
    sol_keccak256(&once, 1, node);
    fold(node, call->data + 8, siblings);
    if (!same(node, pool->active_root)) return BAD_PROOF;

    if (cumulative <= record->cumulative) return NOTHING_TO_CLAIM;
    u64 amount = cumulative - record->cumulative;
    if (amount > pool->active_total - pool->claimed_total) return OVER_TOTAL;
    record->cumulative = cumulative;
    pool->claimed_total += amount;

    u8 data[9]; /* Transfer: kind 3, amount */
    data[0] = 3;
    for (int i = 0; i < 8; i++) data[1 + i] = (u8)(amount >> 8 * i);
    struct meta metas[3] = {{a[1].key, 1, 0}, {a[2].key, 1, 0}, {a[0].key, 0, 1}};
    struct instruction transfer = {pool->token, metas, 3, data, 9};
    struct slice seeds[4] = {
        {(const u8 *)"pool", 4}, {pool->opener, 32}, {pool->mint, 32}, {&pool->bump, 1}};
    struct seeds signature = {seeds, 4};
    return sol_invoke_signed_c(&transfer, a, 3, &signature, 1);
}

/* 6: admin (signs), pool
 *    admin 32, settler 32, guardian 32. Replaces a change that waits. */
static u64 propose_roles(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 2) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 96) return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[1]);
    if (!pool) return NOT_A_POOL;
    if (!a[1].is_writable) return NOT_WRITABLE;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    if (!same(a[0].key, pool->admin)) return WRONG_ROLE;
    u64 now = slot_now();
    if (now + pool->delay < now) return CLOCK_OVERFLOW;
    const u8 *keys = call->data;
    for (int i = 0; i < 96; i += 32)
        if (is_zero(keys + i)) return EMPTY_KEY;
    copy(pool->next_admin, keys);
    copy(pool->next_settler, keys + 32);
    copy(pool->next_guardian, keys + 64);
    pool->roles_from = now + pool->delay;
    pool->roles_wait = 1;
    return 0;
}

/* 7: pool. Anyone, after the delay. */
static u64 take_roles(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 1) return WRONG_ACCOUNT_COUNT;
    if (call->data_count != 0) return BAD_INSTRUCTION;
    struct pool *pool = pool_of(call, &a[0]);
    if (!pool) return NOT_A_POOL;
    if (!a[0].is_writable) return NOT_WRITABLE;
    if (!pool->roles_wait) return NO_ROLES_WAITING;
    if (slot_now() < pool->roles_from) return TOO_EARLY;
    copy(pool->admin, pool->next_admin);
    copy(pool->settler, pool->next_settler);
    copy(pool->guardian, pool->next_guardian);
    pool->roles_wait = 0;
    return 0;
}

/* ---- the entry: the loader's serialised input (aligned form) */

u64 entrypoint(const u8 *input) {
    struct call call;
    call.count = word(input);
    if (call.count > 8) return WRONG_ACCOUNT_COUNT;
    const u8 *at = input + 8;
    for (u64 i = 0; i < call.count; i++) {
        if (*at != NOT_DUPLICATE) return DUPLICATE_ACCOUNT;
        struct account *a = &call.accounts[i];
        a->is_signer = at[1];
        a->is_writable = at[2];
        a->is_executable = at[3];
        a->key = at + 8;
        a->owner = at + 40;
        a->lamports = (u64 *)(at + 72);
        a->data_count = word(at + 80);
        a->data = (u8 *)at + 88;
        at += 88 + ((a->data_count + 7) & ~7ull) + GROWTH_BYTES;
        a->rent_epoch = word(at);
        at += 8;
    }
    /* A kind of eight bytes, then fields of words. */
    u64 count = word(at);
    if (count < 8 || count & 7) return BAD_INSTRUCTION;
    call.data = at + 16;
    call.data_count = count - 8;
    call.self = at + 8 + count;
    switch (word(at + 8)) {
    case 0: return open(&call);
    case 1: return commit(&call);
    case 2: return activate(&call);
    case 3: return dispute(&call);
    case 4: return enrol(&call);
    case 5: return claim(&call);
    case 6: return propose_roles(&call);
    case 7: return take_roles(&call);
    default: return BAD_INSTRUCTION;
    }
}
