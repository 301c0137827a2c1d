import Chains
import Cryptography
import Primitives

/// The history of a vault, and a node that tells it well or badly.
struct SimulatedHistory {
    static let vault = SolanaAddress(SHA256.hash(Array("vault".utf8)))
    static let program = SolanaAddress(SHA256.hash(Array("program".utf8)))
    static let stranger = SolanaAddress(SHA256.hash(Array("stranger".utf8)))

    private(set) var traces: [VaultTrace] = []
    private(set) var balance: UInt64 = 0
    private(set) var slot: UInt64 = 100

    /// A history of so many transactions, of which some share a slot and some were undone.
    init(count: Int, random: inout SplitMix64) {
        for _ in 0..<count {
            if random.next() % 3 != 0 { slot += 1 + random.next() % 4 }
            append(random.next())
        }
    }

    static func name(_ number: Int) -> Signature {
        let half = SHA256.hash(Array("transaction \(number)".utf8)).bytes
        guard let name = Signature(half + half) else { preconditionFailure("64 bytes") }
        return name
    }

    private static func words(_ tag: [UInt8], _ amount: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.writeRaw(tag)
        writer.write(amount)
        return writer.bytes
    }

    /// One transaction: a deposit, a claim, or something that moves nothing.
    mutating func append(_ dice: UInt64) {
        let before = balance
        let amount = 1 + dice % 900
        var calls: [VaultTrace.Instruction] = []
        let isUndone = dice % 11 == 0
        switch dice % 4 {
        case 0, 1:
            calls = [transfer(amount, from: Self.stranger, to: Self.vault)]
            if !isUndone { balance += amount }
        case 2 where before >= amount:
            let accounts = [SolanaAddress](repeating: Self.vault, count: 5) + [Self.stranger]
            var data = ByteWriter()
            data.write(UInt64(5))
            data.write(amount + 7)
            calls = [
                .init(program: Self.program, accounts: accounts, data: data.bytes),
                transfer(amount, from: Self.vault, to: Self.stranger),
            ]
            if !isUndone { balance -= amount }
        default: calls = []
        }
        traces.append(
            VaultTrace(
                listing: VaultListing(
                    transaction: Self.name(traces.count), slot: slot, isUndone: isUndone),
                instructions: calls,
                before: [.init(account: Self.vault, owner: nil, amount: before)],
                after: [.init(account: Self.vault, owner: nil, amount: balance)]))
    }

    private func transfer(
        _ amount: UInt64, from source: SolanaAddress, to target: SolanaAddress
    ) -> VaultTrace.Instruction {
        .init(
            program: .token, accounts: [source, target, Self.stranger],
            data: Self.words([3], amount))
    }

    /// What the events of the whole history add up to, by the history's own reckoning.
    var truth: [VaultRecord] {
        traces.filter { !$0.listing.isUndone }.flatMap { trace in
            trace.instructions.enumerated().compactMap { index, call -> VaultRecord? in
                guard call.program == .token else { return nil }
                let amount = call.data[1..<9].reversed().reduce(0) { $0 << 8 | UInt64($1) }
                let place = VaultPlace(
                    slot: trace.listing.slot, transaction: trace.listing.transaction,
                    instruction: UInt32(index))
                return VaultRecord(
                    place: place,
                    event: call.accounts[0] == Self.vault
                        ? .claimed(payee: Self.stranger, amount: amount, cumulative: amount + 7)
                        : .deposited(
                            amount: amount, owner: Self.stranger, memo: nil, references: []))
            }
        }
    }
}

/// How a node tells a history.
struct SimulatedTeller {
    var history: SimulatedHistory
    /// The most that it lists at once.
    var listedAtOnce = 1_000
    /// Of slots before this one it tells nothing.
    var firstSlot: UInt64 = 0
    /// Transactions that it leaves out of its lists.
    var omitted: Set<Int> = []
    /// Transactions that it lists and does not know.
    var forgotten: Set<Int> = []
    /// Whether it lists the oldest first.
    var isBackwards = false

    func list(before: Signature?) -> [VaultListing] {
        var all = history.traces.enumerated().filter { number, trace in
            !omitted.contains(number) && trace.listing.slot >= firstSlot
        }.map(\.element.listing)
        if !isBackwards { all.reverse() }
        if let before {
            guard let place = all.firstIndex(where: { $0.transaction == before }) else { return [] }
            all.removeFirst(place + 1)
        }
        return Array(all.prefix(listedAtOnce))
    }

    func trace(_ name: Signature) -> VaultTrace? {
        let found = history.traces.enumerated().first { $1.listing.transaction == name }
        guard let (number, trace) = found, !forgotten.contains(number) else { return nil }
        return trace
    }

    /// One look through this node.
    func look(
        from cursor: VaultCursor, upTo final: UInt64, most: Int = 200
    ) throws(VaultScanError) -> VaultPage {
        var scan = try VaultScan(
            of: SimulatedHistory.vault, program: SimulatedHistory.program, from: cursor,
            upTo: final, history: firstSlot, most: most)
        while let question = scan.question {
            switch question {
            case .list(let before): try scan.take(list(before: before))
            case .trace(let name): try scan.take(trace(name))
            }
        }
        guard let page = scan.page else { throw .unasked }
        return page
    }
}
