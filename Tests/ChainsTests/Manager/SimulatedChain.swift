import Chains
import Cryptography
import Primitives

/// A chain in memory with what matters for paying: nonces, balances, base fee, blocks and their
/// undoing. Accounts that send are few; calls to an address that begins with 0xEE are undone.
struct SimulatedChain {
    struct Transaction {
        let hash: Digest
        let draft: EVMTransaction
        let sender: Int
    }

    struct Mined {
        let transaction: Transaction
        let gasUsed: UInt64
        let gasPrice: UInt128
        let rollupFee: UInt128
        let succeeded: Bool

        var fee: UInt128 { gasPrice * UInt128(gasUsed) + rollupFee }
    }

    struct Block {
        let hash: Digest
        let baseFee: UInt128
        let mined: [Mined]
        /// The senders' nonces after it.
        let counts: [UInt64]
        /// The contract after it.
        let vault: SimulatedVault?
    }

    let senders: [EVMAddress]
    private(set) var blocks: [Block]
    /// Where each transaction is in the chain.
    private(set) var places: [Digest: (height: Int, index: Int)] = [:]
    /// Receipts of blocks that were reorganised away, by transaction.
    private(set) var orphans: [Digest: EVMInclusion] = [:]
    private(set) var balances: [EVMAddress: UInt128] = [:]
    private(set) var counts: [UInt64]
    private(set) var feesPaid: UInt128 = 0
    private(set) var funded: UInt128 = 0
    private(set) var reorganisations = 0
    var baseFee: UInt128 = 5_000_000_000
    /// The contract, if there is one.
    var vault: SimulatedVault?
    private var random: SplitMix64

    static let blockCapacity = 60
    static let transferGas: UInt64 = 21_000

    init(senders: [EVMAddress], seed: UInt64, vault: SimulatedVault? = nil) {
        self.senders = senders
        random = SplitMix64(seed: seed)
        counts = senders.map { _ in 0 }
        self.vault = vault
        blocks = [
            Block(hash: .zero, baseFee: baseFee, mined: [], counts: counts, vault: vault)
        ]
    }

    var head: Int { blocks.count - 1 }
    private var highest = 0

    mutating func fund(_ account: EVMAddress, _ amount: UInt128) {
        balances[account, default: 0] += amount
        funded += amount
    }

    func balance(_ account: EVMAddress) -> UInt128 { balances[account] ?? 0 }

    /// Mines the best of `pools`, one pool a sender, in the order of nonces.
    mutating func mine(from pools: [[UInt64: Transaction]]) {
        moveBaseFee()
        var mined: [Mined] = []
        for sender in senders.indices {
            while mined.count < Self.blockCapacity,
                let transaction = pools[sender][counts[sender]], let result = carryOut(transaction)
            {
                places[transaction.hash] = (blocks.count, mined.count)
                mined.append(result)
            }
        }
        let hash = Digest(
            words: (random.next(), random.next(), random.next(), UInt64(blocks.count)))
        blocks.append(
            Block(hash: hash, baseFee: baseFee, mined: mined, counts: counts, vault: vault))
        highest = max(highest, head)
    }

    private mutating func carryOut(_ transaction: Transaction) -> Mined? {
        let draft = transaction.draft
        let account = senders[transaction.sender]
        guard let to = draft.to, draft.maxFeePerGas >= baseFee else { return nil }
        let worst = draft.maxFeePerGas * UInt128(draft.gasLimit) + draft.value
        // A rollup, in half of the blocks: what it charges beside gas nobody signs for.
        let rollupFee = blocks.count % 2 == 0 ? 0 : baseFee * 977 + UInt128(draft.data.count)
        guard balance(account) >= worst + rollupFee else { return nil }
        let price = min(draft.maxFeePerGas, baseFee + draft.maxPriorityFeePerGas)
        let refusal = to == vault?.address ? vault?.call(draft.data) : nil
        let succeeded = to.bytes[0] != 0xEE && refusal == nil
        counts[transaction.sender] += 1
        if succeeded { move(draft.value, from: account, to: to) }
        let mined = Mined(
            transaction: transaction, gasUsed: Self.transferGas, gasPrice: price,
            rollupFee: rollupFee, succeeded: succeeded)
        pay(account, fee: mined.fee)
        return mined
    }

    private mutating func pay(_ account: EVMAddress, fee: UInt128) {
        balances[account, default: 0] -= fee
        feesPaid += fee
    }

    private mutating func move(_ value: UInt128, from: EVMAddress, to: EVMAddress) {
        balances[from, default: 0] -= value
        balances[to, default: 0] += value
    }

    private mutating func moveBaseFee() {
        // A walk around 5 gwei that falls an eighth a block from above, as EIP-1559 does.
        if baseFee > 10_000_000_000 {
            baseFee -= baseFee / 8
        } else {
            let step = baseFee / 16
            baseFee = random.next() % 2 == 0 ? baseFee + step : max(baseFee - step, 1_000_000_000)
        }
    }

    /// Takes the last `depth` blocks back and returns their transactions, oldest first. Together
    /// with what was taken back before, never more than the upper six of all that there ever was.
    mutating func rewind(_ depth: Int) -> [Transaction] {
        var lost: [Transaction] = []
        for _ in 0..<depth where blocks.count > 1 && head > highest - 6 {
            let block = blocks.removeLast()
            for (index, mined) in block.mined.enumerated().reversed() {
                undo(mined)
                let hash = mined.transaction.hash
                places[hash] = nil
                orphans[hash] = inclusion(mined, index, in: block, at: blocks.count)
                lost.append(mined.transaction)
            }
        }
        counts = blocks[blocks.count - 1].counts
        vault = blocks[blocks.count - 1].vault
        reorganisations += 1
        return lost.reversed()
    }

    private mutating func undo(_ mined: Mined) {
        let account = senders[mined.transaction.sender]
        if mined.succeeded, let to = mined.transaction.draft.to {
            move(mined.transaction.draft.value, from: to, to: account)
        }
        balances[account, default: 0] += mined.fee
        feesPaid -= mined.fee
    }

    private func inclusion(
        _ mined: Mined, _ index: Int, in block: Block, at height: Int
    ) -> EVMInclusion {
        EVMInclusion(
            transaction: mined.transaction.hash, blockNumber: UInt64(height),
            blockHash: block.hash, index: UInt64(index), succeeded: mined.succeeded,
            gasUsed: mined.gasUsed, gasPrice: mined.gasPrice, rollupFee: mined.rollupFee)
    }

    /// The receipt as of a head at `height`.
    func inclusion(_ hash: Digest, upTo height: Int) -> EVMInclusion? {
        guard let place = places[hash], place.height <= height else { return nil }
        let block = blocks[place.height]
        return inclusion(block.mined[place.index], place.index, in: block, at: place.height)
    }
}
