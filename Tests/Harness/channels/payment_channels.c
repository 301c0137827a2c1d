/* A counterpart of Solana's payment-channels program for tests, since its Rust cannot be built for
 * the chain here: written from its published interface and rules (docs/003-program-instructions.md
 * and program/payment_channels of solana-foundation/payment-channels at 3ffa4d67), with the same
 * bytes, accounts, order of checks and error numbers. It is not that program and must never hold
 * money.
 *
 * It lacks events, and looks at no extensions of Token-2022's mints. The treasury is the owner that
 * the program's default build names (0xbe 0xef).
 *
 * Freestanding C for `clang --target=bpfel`, linked by sbpf_link.py, as contracts-abi/solana.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define INLINE static inline __attribute__((always_inline))

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
    u64 slot, epoch_start, epoch, leader_epoch;
    i64 unix_time;
};
struct rent {
    u64 lamports_per_byte_year;
    u64 exemption_years; /* the bits of a double */
    u8 burn_percent;
};

extern u64 sol_sha256(const struct slice *, u64, u8 *);
extern u64 sol_invoke_signed_c(
    const struct instruction *, const struct account *, u64, const struct seeds *, u64);
extern u64 sol_try_find_program_address(
    const struct slice *, u64, const u8 *program, u8 *address, u8 *bump);
extern u64 sol_get_clock_sysvar(struct clock *);
extern u64 sol_get_rent_sysvar(struct rent *);

/* The machine's own errors, then the program's. */
#define INVALID_DATA 0x300000000ull
#define WRONG_OWNER 0x1800000000ull

enum {
    MISSING_SIGNATURE = 1,
    INVALID_STATUS = 2,
    INVALID_DISCRIMINATOR = 3,
    UNSUPPORTED_VERSION = 4,
    INVALID_PAYER = 5,
    INVALID_PAYEE = 6,
    INVALID_MINT = 7,
    NOT_ENOUGH_ACCOUNTS = 9,
    INVALID_RENT_PAYER = 10,
    INVALID_ESCROW = 51,
    PAYER_ACCOUNT_MISMATCH = 57,
    PAYEE_ACCOUNT_MISMATCH = 60,
    ZERO_DEPOSIT = 200,
    ZERO_GRACE = 201,
    MISSING_ED25519 = 230,
    MALFORMED_ED25519 = 231,
    VOUCHER_CHANNEL = 232,
    VOUCHER_EXPIRED = 233,
    VOUCHER_NOT_HIGHER = 234,
    VOUCHER_OVER_DEPOSIT = 235,
    VOUCHER_SIGNER = 237,
    VOUCHER_MAGIC = 238,
    RECIPIENT_COUNT = 260,
    SPLIT_CONFIG = 261,
    DUPLICATE_RECIPIENT = 263,
    ADDRESS_MISMATCH = 2000,
    PAYER_IS_PAYEE = 2001,
    OPEN_SLOT = 2003,
    TOP_UP_OVERFLOW = 2100,
    GRACE_NOT_OVER = 2201,
    ALREADY_WITHDRAWN = 2300,
    NOT_DISTRIBUTABLE = 2400,
    TREASURY_MISMATCH = 2401,
    INVALID_TREASURY = 2402,
    RECIPIENT_MISMATCH = 2404,
    DISTRIBUTION_HASH = 2407,
    NOTHING_TO_DISTRIBUTE = 2408,
    RECIPIENT_ACCOUNTS = 2409,
    CLOSE_TOO_EARLY = 2414
};

enum { OPEN, SEALED, CLOSING, DISTRIBUTED };

#define WINDOW 1500ull
#define GROWTH_BYTES 10240
#define NOT_DUPLICATE 0xff
#define MAX_ACCOUNTS 20
#define TOKEN_ACCOUNT_BYTES 165

static const u8 system_program[32] __attribute__((aligned(8))) = {0};
/* ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL */
static const u8 associated[32] __attribute__((aligned(8))) = {
    0x8c, 0x97, 0x25, 0x8f, 0x4e, 0x24, 0x89, 0xf1, 0xbb, 0x3d, 0x10,
    0x29, 0x14, 0x8e, 0x0d, 0x83, 0x0b, 0x5a, 0x13, 0x99, 0xda, 0xff,
    0x10, 0x84, 0x04, 0x8e, 0x7b, 0xd8, 0xdb, 0xe9, 0xf8, 0x59};
/* Ed25519SigVerify111111111111111111111111111 */
static const u8 ed25519[32] __attribute__((aligned(8))) = {
    0x03, 0x7d, 0x46, 0xd6, 0x7c, 0x93, 0xfb, 0xbe, 0x12, 0xf9, 0x42,
    0x8f, 0x83, 0x8d, 0x40, 0xff, 0x05, 0x70, 0x74, 0x49, 0x27, 0xf4,
    0x8a, 0x64, 0xfc, 0xca, 0x70, 0x44, 0x80, 0x00, 0x00, 0x00};
static const u8 treasury_owner[32] __attribute__((aligned(8))) = {
    0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe,
    0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef,
    0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef};

/* The account: 256 bytes without gaps, so grace and what follows lie at 4 modulo 8. */
struct __attribute__((packed)) channel {
    u8 discriminator, version, bump, status;
    u64 salt, deposit, settled, paid_out;
    i64 closure_started_at, payer_withdrawn_at;
    u32 grace;
    u8 hash[32], payer[32], payee[32], signer[32], mint[32], rent_payer[32];
    u64 open_slot;
};
_Static_assert(sizeof(struct channel) == 256, "the documented size of a channel");

struct call {
    struct account accounts[MAX_ACCOUNTS];
    u64 count;
    const u8 *data;
    u64 data_count;
    const u8 *self;
};

INLINE int same(const u8 *a, const u8 *b) {
    for (int i = 0; i < 32; i++)
        if (a[i] != b[i]) return 0;
    return 1;
}

INLINE void copy(u8 *to, const u8 *from, u64 count) {
    for (u64 i = 0; i < count; i++) to[i] = from[i];
}

INLINE u64 number(const u8 *from, int bytes) {
    u64 value = 0;
    for (int i = 0; i < bytes; i++) value |= (u64)from[i] << 8 * i;
    return value;
}

INLINE void put(u8 *to, u64 value) {
    for (int i = 0; i < 8; i++) to[i] = (u8)(value >> 8 * i);
}

/* Whether an account is the associated one of an owner. */
static int is_token_account_of(
    const struct account *account, const u8 *owner, const u8 *token, const u8 *mint) {
    u8 address[32], bump;
    struct slice seeds[3] = {{owner, 32}, {token, 32}, {mint, 32}};
    sol_try_find_program_address(seeds, 3, associated, address, &bump);
    return same(address, account->key);
}

static u64 load(const struct call *call, const struct account *account, struct channel **channel) {
    *channel = (struct channel *)account->data;
    if (!same(account->owner, call->self)) return WRONG_OWNER;
    if (account->data_count != sizeof(struct channel)) return INVALID_DATA;
    if ((*channel)->discriminator != 1) return INVALID_DISCRIMINATOR;
    return (*channel)->version == 1 ? 0 : UNSUPPORTED_VERSION;
}

/* `count u32, (recipient 32, bps u16) x count`, exactly. */
static u64 check_splits(const u8 *data, u64 data_count, u64 *count, u64 *shares) {
    if (data_count < 4) return INVALID_DATA;
    *count = number(data, 4);
    *shares = 0;
    if (*count > 32) return RECIPIENT_COUNT;
    if (data_count != 4 + 34 * *count) return INVALID_DATA;
    for (u64 i = 0; i < *count; i++) {
        const u8 *entry = data + 4 + 34 * i;
        u64 bps = number(entry + 32, 2);
        if (bps == 0) return SPLIT_CONFIG;
        *shares += bps;
        for (u64 j = 0; j < i; j++)
            if (same(entry, data + 4 + 34 * j)) return DUPLICATE_RECIPIENT;
    }
    return *shares > 10000 ? SPLIT_CONFIG : 0;
}

/* Places of accounts in a call: a transfer's source, mint, target, authority and program. */
struct route {
    u64 from, mint, to, authority, token;
};

static u64 move(
    struct call *call, const struct route *r, u64 amount, const struct seeds *signature) {
    struct account *a = call->accounts;
    if (amount == 0) return 0;
    u8 data[10];
    data[0] = 12; /* TransferChecked: kind, amount, decimals */
    put(data + 1, amount);
    data[9] = a[r->mint].data[44];
    struct meta metas[4] = {{a[r->from].key, 1, 0}, {a[r->mint].key, 0, 0}, {a[r->to].key, 1, 0},
                            {a[r->authority].key, 0, 1}};
    struct instruction transfer = {a[r->token].key, metas, 4, data, 10};
    return sol_invoke_signed_c(&transfer, a, call->count, signature, signature ? 1 : 0);
}

/* Whether the account is one of the token program's at all. */
INLINE int is_readable(const struct account *account, const u8 *token) {
    return same(account->owner, token) && account->data_count >= TOKEN_ACCOUNT_BYTES;
}

/* Whether it is ready, and still of its owner and mint: mint 0, owner 32, state 108. */
static int can_be_paid(
    const struct account *account, const u8 *owner, const u8 *token, const u8 *mint) {
    if (!is_readable(account, token) || account->data[108] != 1 || !same(account->data, mint) ||
        !same(account->data + 32, owner))
        return 0;
    /* Token-2022: from 166 on kinds u16 and lengths u16; all but ImmutableOwner (7) are refused. */
    for (u64 at = TOKEN_ACCOUNT_BYTES + 1; at + 4 <= account->data_count;) {
        u64 kind = number(account->data + at, 2);
        if (kind == 0) break;
        if (kind != 7) return 0;
        at += 4 + number(account->data + at + 2, 2);
    }
    return 1;
}

/* Seeds by which the channel signs. */
struct signer {
    struct slice slices[8];
    struct seeds seeds;
    u8 bump;
};

static void sign_as(struct signer *signer, struct channel *channel) {
    signer->bump = channel->bump;
    signer->slices[0] = (struct slice){(const u8 *)"channel", 7};
    signer->slices[1] = (struct slice){channel->payer, 32};
    signer->slices[2] = (struct slice){channel->payee, 32};
    signer->slices[3] = (struct slice){channel->mint, 32};
    signer->slices[4] = (struct slice){channel->signer, 32};
    signer->slices[5] = (struct slice){(const u8 *)&channel->salt, 8};
    signer->slices[6] = (struct slice){(const u8 *)&channel->open_slot, 8};
    signer->slices[7] = (struct slice){&signer->bump, 1};
    signer->seeds = (struct seeds){signer->slices, 8};
}

/* Lamports, space and owner of the channel's account, then its escrow's. */
static u64 make_accounts(struct call *call, const struct seeds *signature) {
    struct account *a = call->accounts;
    struct rent rent;
    sol_get_rent_sysvar(&rent);
    u64 wanted = (128 + sizeof(struct channel)) * rent.lamports_per_byte_year *
                 (rent.exemption_years == 0x3ff0000000000000ull ? 1 : 2);
    struct meta metas[2] = {{a[1].key, 1, 1}, {a[5].key, 1, 0}};
    u8 data[36];
    struct instruction instruction = {system_program, metas, 2, data, 12};
    copy(data, (const u8[4]){2, 0, 0, 0}, 4); /* Transfer */
    if (*a[5].lamports < wanted) {
        put(data + 4, wanted - *a[5].lamports);
        u64 fault = sol_invoke_signed_c(&instruction, a, call->count, signature, 0);
        if (fault) return fault;
    }
    metas[0] = (struct meta){a[5].key, 1, 1};
    instruction.meta_count = 1;
    data[0] = 8; /* Allocate */
    put(data + 4, sizeof(struct channel));
    u64 fault = sol_invoke_signed_c(&instruction, a, call->count, signature, 1);
    if (fault) return fault;
    data[0] = 1; /* Assign */
    copy(data + 4, call->self, 32);
    instruction.data_count = 36;
    fault = sol_invoke_signed_c(&instruction, a, call->count, signature, 1);
    if (fault) return fault;
    struct meta escrow[6] = {{a[1].key, 1, 1}, {a[7].key, 1, 0}, {a[5].key, 0, 0},
                             {a[3].key, 0, 0}, {a[9].key, 0, 0}, {a[8].key, 0, 0}};
    data[0] = 1; /* CreateIdempotent */
    struct instruction create = {associated, escrow, 6, data, 1};
    return sol_invoke_signed_c(&create, a, call->count, signature, 0);
}

/* 1: payer, rent payer, payee, mint, signer, channel, payer's tokens, escrow, token, system, rent,
 * associated, event authority, self */
static u64 open(struct call *call) {
    struct account *a = call->accounts;
    if (call->count != 14) return NOT_ENOUGH_ACCOUNTS;
    if (call->data_count < 28) return INVALID_DATA;
    const u8 *d = call->data;
    u64 count, shares, fault = check_splits(d + 28, call->data_count - 28, &count, &shares);
    if (fault) return fault;
    if (!a[0].is_signer || !a[1].is_signer) return MISSING_SIGNATURE;
    if (same(a[0].key, a[2].key)) return PAYER_IS_PAYEE;
    u64 deposit = number(d + 8, 8), open_slot = number(d + 20, 8);
    if (deposit == 0) return ZERO_DEPOSIT;
    if (number(d + 16, 4) == 0) return ZERO_GRACE;
    struct clock now;
    sol_get_clock_sysvar(&now);
    if (open_slot > now.slot || now.slot - open_slot > WINDOW) return OPEN_SLOT;
    u8 address[32], bump;
    struct slice slices[8] = {{(const u8 *)"channel", 7}, {a[0].key, 32}, {a[2].key, 32},
                              {a[3].key, 32}, {a[4].key, 32}, {d, 8}, {d + 20, 8}, {&bump, 1}};
    sol_try_find_program_address(slices, 7, call->self, address, &bump);
    for (u64 i = 0; i < count; i++)
        if (same(d + 32 + 34 * i, address)) return SPLIT_CONFIG;
    if (!same(address, a[5].key)) return ADDRESS_MISMATCH;
    if (!is_token_account_of(&a[7], a[5].key, a[8].key, a[3].key)) return INVALID_ESCROW;
    if (!is_token_account_of(&a[6], a[0].key, a[8].key, a[3].key)) return PAYER_ACCOUNT_MISMATCH;
    struct seeds signature = {slices, 8};
    fault = make_accounts(call, &signature);
    if (fault) return fault;
    fault = move(call, &(struct route){6, 3, 7, 0, 8}, deposit, 0);
    if (fault) return fault;
    struct channel *channel = (struct channel *)a[5].data;
    channel->discriminator = channel->version = 1;
    channel->bump = bump;
    channel->salt = number(d, 8);
    channel->deposit = deposit;
    channel->grace = (u32)number(d + 16, 4);
    channel->open_slot = open_slot;
    struct slice preimage = {d + 28, call->data_count - 28};
    sol_sha256(&preimage, 1, channel->hash);
    copy(channel->payer, a[0].key, 32);
    copy(channel->payee, a[2].key, 32);
    copy(channel->signer, a[4].key, 32);
    copy(channel->mint, a[3].key, 32);
    copy(channel->rent_payer, a[1].key, 32);
    return 0;
}

/* The sum of the voucher that the instruction before this one checked.
 *
 * The sysvar: a count u16, that many offsets u16, then each instruction (accounts u16, 33 bytes
 * each, program 32, data u16 and bytes); the last two bytes are the index of the current one. */
static u64 voucher(
    const struct account *account, const struct account *sysvar, struct channel *channel) {
    struct clock now;
    sol_get_clock_sysvar(&now);
    const u8 *bytes = sysvar->data;
    u64 current = number(bytes + sysvar->data_count - 2, 2);
    if (current == 0) return MISSING_ED25519;
    const u8 *at = bytes + number(bytes + 2 + 2 * (current - 1), 2);
    at += 2 + 33 * number(at, 2);
    if (!same(at, ed25519)) return MISSING_ED25519;
    u64 count = number(at + 32, 2);
    const u8 *data = at + 34;
    if (count != 162 || data[0] != 1 || data[1] != 0) return MALFORMED_ED25519;
    static const u16 layout[7] = {48, 0xffff, 16, 0xffff, 112, 50, 0xffff};
    for (int i = 0; i < 7; i++)
        if (number(data + 2 + 2 * i, 2) != layout[i]) return MALFORMED_ED25519;
    const u8 *message = data + 112;
    if (message[0] != 0x56 || message[1] != 1) return VOUCHER_MAGIC;
    if (!same(message + 2, account->key)) return VOUCHER_CHANNEL;
    u64 sum = number(message + 34, 8);
    i64 end = (i64)number(message + 42, 8);
    if (end != 0 && now.unix_time >= end) return VOUCHER_EXPIRED;
    if (sum > channel->deposit) return VOUCHER_OVER_DEPOSIT;
    if (channel->settled >= sum) return VOUCHER_NOT_HIGHER;
    if (!same(data + 16, channel->signer)) return VOUCHER_SIGNER;
    channel->settled = sum;
    return 0;
}

/* 2: channel, instructions */
static u64 settle(struct call *call) {
    struct channel *channel;
    if (call->count != 2) return NOT_ENOUGH_ACCOUNTS;
    u64 fault = load(call, &call->accounts[0], &channel);
    if (fault) return fault;
    if (channel->status != OPEN) return INVALID_STATUS;
    return voucher(&call->accounts[0], &call->accounts[1], channel);
}

/* 3: payer, channel, payer's tokens, escrow, mint, token */
static u64 top_up(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    if (call->count != 6) return NOT_ENOUGH_ACCOUNTS;
    if (call->data_count != 8) return INVALID_DATA;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    u64 amount = number(call->data, 8);
    if (amount == 0) return ZERO_DEPOSIT;
    u64 fault = load(call, &a[1], &channel);
    if (fault) return fault;
    if (channel->status != OPEN) return INVALID_STATUS;
    if (!same(a[0].key, channel->payer)) return INVALID_PAYER;
    if (!same(a[4].key, channel->mint)) return INVALID_MINT;
    if (channel->deposit + amount < amount) return TOP_UP_OVERFLOW;
    if (!is_token_account_of(&a[3], a[1].key, a[5].key, a[4].key)) return INVALID_ESCROW;
    channel->deposit += amount;
    return move(call, &(struct route){2, 4, 3, 0, 5}, amount, 0);
}

/* 4: payee, channel, instructions */
static u64 settle_and_seal(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    struct clock now;
    if (call->count != 3) return NOT_ENOUGH_ACCOUNTS;
    if (call->data_count != 1) return INVALID_DATA;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    u64 fault = load(call, &a[1], &channel);
    if (fault) return fault;
    sol_get_clock_sysvar(&now);
    if (channel->status == CLOSING) {
        if (now.unix_time >= channel->closure_started_at + channel->grace) return INVALID_STATUS;
    } else if (channel->status != OPEN) {
        return INVALID_STATUS;
    }
    if (!same(a[0].key, channel->payee)) return INVALID_PAYEE;
    if (call->data[0] != 0) {
        fault = voucher(&a[1], &a[2], channel);
        if (fault) return fault;
    }
    channel->status = SEALED;
    channel->closure_started_at = 0;
    return 0;
}

/* 5: payer, channel */
static u64 request_close(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    struct clock now;
    if (call->count != 2) return NOT_ENOUGH_ACCOUNTS;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    u64 fault = load(call, &a[1], &channel);
    if (fault) return fault;
    if (!same(a[0].key, channel->payer)) return INVALID_PAYER;
    if (channel->status != OPEN) return INVALID_STATUS;
    sol_get_clock_sysvar(&now);
    channel->status = CLOSING;
    channel->closure_started_at = now.unix_time;
    return 0;
}

/* 6: channel */
static u64 seal(struct call *call) {
    struct channel *channel;
    struct clock now;
    if (call->count != 1) return NOT_ENOUGH_ACCOUNTS;
    u64 fault = load(call, &call->accounts[0], &channel);
    if (fault) return fault;
    if (channel->status != CLOSING) return INVALID_STATUS;
    sol_get_clock_sysvar(&now);
    if (now.unix_time < channel->closure_started_at + channel->grace) return GRACE_NOT_OVER;
    channel->status = SEALED;
    channel->closure_started_at = 0;
    return 0;
}

/* The share of all that was ever settled less that of what was paid, each rounded down. */
INLINE u64 share(u64 sum, u64 bps) {
    return sum / 10000 * bps + sum % 10000 * bps / 10000;
}

/* Frees an account: its lamports go to whoever paid for it. */
static void deallocate(struct account *account, struct account *rent_payer) {
    *rent_payer->lamports += *account->lamports;
    *account->lamports = 0;
    for (u64 i = 0; i < account->data_count; i++) account->data[i] = 0;
    copy((u8 *)account->owner, system_program, 32);
    *(u64 *)(account->data - 8) = 0;
}

/* distribute's transfer to a recipient; to the treasury, for good, if it cannot take it. */
static u64 pay(
    struct call *call, u64 place, const u8 *owner, u64 amount, const struct seeds *signature) {
    struct account *a = call->accounts;
    u64 to = can_be_paid(&a[place], owner, a[8].key, a[7].key) ? place : 6;
    return move(call, &(struct route){3, 7, to, 0, 8}, amount, signature);
}

/* 7: channel, payer, rent payer, escrow, payer's, payee's and treasury's tokens, mint, token, event
 * authority, self, recipients' tokens */
static u64 distribute(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    if (call->count < 11) return NOT_ENOUGH_ACCOUNTS;
    u64 count, shares, fault = check_splits(call->data, call->data_count, &count, &shares);
    if (fault) return fault;
    fault = load(call, &a[0], &channel);
    if (fault) return fault;
    u8 status = channel->status;
    if (status != OPEN && status != SEALED) return NOT_DISTRIBUTABLE;
    if (!same(a[1].key, channel->payer)) return INVALID_PAYER;
    if (!same(a[7].key, channel->mint)) return INVALID_MINT;
    if (!same(a[2].key, channel->rent_payer)) return INVALID_RENT_PAYER;
    if (!is_token_account_of(&a[3], a[0].key, a[8].key, a[7].key)) return INVALID_ESCROW;
    if (!is_token_account_of(&a[6], treasury_owner, a[8].key, a[7].key)) return TREASURY_MISMATCH;
    if (!is_readable(&a[6], a[8].key)) return INVALID_TREASURY;
    if (!can_be_paid(&a[6], treasury_owner, a[8].key, a[7].key)) return TREASURY_MISMATCH;
    u8 hash[32];
    struct slice preimage = {call->data, call->data_count};
    sol_sha256(&preimage, 1, hash);
    if (!same(hash, channel->hash)) return DISTRIBUTION_HASH;
    if (call->count - 11 != count) return RECIPIENT_ACCOUNTS;
    u64 settled = channel->settled, paid = channel->paid_out;
    if (status == OPEN && settled == paid) return NOTHING_TO_DISTRIBUTE;
    struct signer signer;
    sign_as(&signer, channel);
    for (u64 i = 0; i < count; i++) {
        const u8 *entry = call->data + 4 + 34 * i;
        u64 bps = number(entry + 32, 2);
        if (!is_token_account_of(&a[11 + i], entry, a[8].key, a[7].key)) return RECIPIENT_MISMATCH;
        u64 amount = share(settled, bps) - share(paid, bps);
        fault = pay(call, 11 + i, entry, amount, &signer.seeds);
        if (fault) return fault;
    }
    if (!is_token_account_of(&a[5], channel->payee, a[8].key, a[7].key))
        return PAYEE_ACCOUNT_MISMATCH;
    u64 rest = 10000 - shares;
    u64 amount = share(settled, rest) - share(paid, rest);
    fault = pay(call, 5, channel->payee, amount, &signer.seeds);
    if (fault) return fault;
    channel->paid_out = settled;
    if (status == OPEN) return 0;
    if (channel->payer_withdrawn_at == 0) {
        if (!is_token_account_of(&a[4], channel->payer, a[8].key, a[7].key))
            return PAYER_ACCOUNT_MISMATCH;
        amount = channel->deposit - settled;
        fault = pay(call, 4, channel->payer, amount, &signer.seeds);
        if (fault) return fault;
    }
    amount = number(a[3].data + 64, 8);
    fault = move(call, &(struct route){3, 7, 6, 0, 8}, amount, &signer.seeds);
    if (fault) return fault;
    u8 close = 9; /* CloseAccount */
    struct meta metas[3] = {{a[3].key, 1, 0}, {a[2].key, 1, 0}, {a[0].key, 0, 1}};
    struct instruction closing = {a[8].key, metas, 3, &close, 1};
    fault = sol_invoke_signed_c(&closing, a, call->count, &signer.seeds, 1);
    if (fault) return fault;
    struct clock now;
    sol_get_clock_sysvar(&now);
    channel->status = DISTRIBUTED;
    if (now.slot > channel->open_slot + WINDOW) deallocate(&a[0], &a[2]);
    return 0;
}

/* 8: payer, channel, escrow, payer's tokens, mint, token */
static u64 withdraw_payer(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    struct clock now;
    if (call->count != 6) return NOT_ENOUGH_ACCOUNTS;
    if (!a[0].is_signer) return MISSING_SIGNATURE;
    u64 fault = load(call, &a[1], &channel);
    if (fault) return fault;
    if (channel->status != SEALED) return INVALID_STATUS;
    if (!same(a[0].key, channel->payer)) return INVALID_PAYER;
    if (channel->payer_withdrawn_at != 0) return ALREADY_WITHDRAWN;
    if (!is_token_account_of(&a[2], a[1].key, a[5].key, a[4].key)) return INVALID_ESCROW;
    if (!is_token_account_of(&a[3], a[0].key, a[5].key, a[4].key)) return PAYER_ACCOUNT_MISMATCH;
    sol_get_clock_sysvar(&now);
    channel->payer_withdrawn_at = now.unix_time;
    struct signer signer;
    sign_as(&signer, channel);
    u64 amount = channel->deposit - channel->settled;
    return move(call, &(struct route){2, 4, 3, 1, 5}, amount, &signer.seeds);
}

/* 9: channel, rent payer */
static u64 reclaim(struct call *call) {
    struct account *a = call->accounts;
    struct channel *channel;
    struct clock now;
    if (call->count != 2) return NOT_ENOUGH_ACCOUNTS;
    u64 fault = load(call, &a[0], &channel);
    if (fault) return fault;
    if (channel->status != DISTRIBUTED) return INVALID_STATUS;
    if (!same(a[1].key, channel->rent_payer)) return INVALID_RENT_PAYER;
    sol_get_clock_sysvar(&now);
    if (now.slot <= channel->open_slot + WINDOW) return CLOSE_TOO_EARLY;
    deallocate(&a[0], &a[1]);
    return 0;
}

/* The loader's serialised input (aligned form). One account may stand in several places. */
u64 entrypoint(const u8 *input) {
    struct call call;
    call.count = number(input, 8);
    if (call.count > MAX_ACCOUNTS) return NOT_ENOUGH_ACCOUNTS;
    const u8 *at = input + 8;
    for (u64 i = 0; i < call.count; i++) {
        struct account *a = &call.accounts[i];
        if (*at != NOT_DUPLICATE) {
            *a = call.accounts[*at];
            at += 8;
            continue;
        }
        a->is_signer = at[1];
        a->is_writable = at[2];
        a->is_executable = at[3];
        a->key = at + 8;
        a->owner = at + 40;
        a->lamports = (u64 *)(at + 72);
        a->data_count = number(at + 80, 8);
        a->data = (u8 *)at + 88;
        at += 88 + ((a->data_count + 7) & ~7ull) + GROWTH_BYTES;
        a->rent_epoch = number(at, 8);
        at += 8;
    }
    u64 count = number(at, 8);
    if (count == 0) return INVALID_DATA;
    call.data = at + 9;
    call.data_count = count - 1;
    call.self = at + 8 + count;
    switch (at[8]) {
    case 1: return open(&call);
    case 2: return settle(&call);
    case 3: return top_up(&call);
    case 4: return settle_and_seal(&call);
    case 5: return request_close(&call);
    case 6: return seal(&call);
    case 7: return distribute(&call);
    case 8: return withdraw_payer(&call);
    case 9: return reclaim(&call);
    default: return INVALID_DATA;
    }
}
