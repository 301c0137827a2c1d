public import Primitives

/// What the house's contract and its vault hold and promise at the end of one block, in chain
/// units, as enough nodes agree.
public struct SettlementHoldings: Hashable, Sendable {
    /// One token.
    public struct Token: Hashable, Sendable {
        /// What the vault holds: deposits, bonds, the reserve.
        public let inVault: UInt128
        /// What the contract holds: what the active root promises and nobody claimed.
        public let inContract: UInt128
        /// The sum of the active root's leaves.
        public let active: UInt128
        /// What was ever claimed, by the contract's own reckoning.
        public let claimed: UInt128
        /// What the next root may newly promise.
        public let uncommitted: UInt128

        /// What vault and contract hold together.
        public var held: UInt128 { inVault.saturatingSum(inContract) }
    }

    /// The block.
    public let block: UInt64
    /// Its hash.
    public let hash: Digest
    /// Its time, in Unix seconds.
    public let timestamp: UInt64
    /// The dollar.
    public let usd: Token
    /// The incentive token.
    public let tly: Token
    /// All bonds, also those on their way out.
    public let bonds: UInt128
    /// The number of the last committed root, active, waiting or disputed.
    public let batch: UInt64
    /// Whether that root waits.
    public let isRootWaiting: Bool
    /// The second from which it may be active.
    public let activeFrom: UInt64
    /// The root that pays.
    public let root: Digest
    /// Whether the contract's entries are closed.
    public let isPaused: Bool
    /// Whether the house was given up for good.
    public let isAbandoned: Bool
}

/// Which root pays and which waits, at the end of one block.
public struct RootStatus: Hashable, Sendable {
    /// The block's time, in Unix seconds.
    public let timestamp: UInt64
    /// The number of the last committed root, active, waiting or disputed.
    public let batch: UInt64
    /// Whether that root waits.
    public let isWaiting: Bool
    /// The second from which it may be active.
    public let activeFrom: UInt64
    /// The root that pays; zero for none.
    public let root: Digest
}

/// When anybody may declare the house abandoned, at the end of one block. Unix seconds.
public struct AbandonmentStatus: Hashable, Sendable {
    /// The block's time.
    public let timestamp: UInt64
    /// The last second in which nobody may.
    public let abandonableFrom: UInt64
    /// How long after a settler's last sign of life that is.
    public let delay: UInt64
    /// Whether somebody has.
    public let isAbandoned: Bool

    /// The settler's last sign of life: a root or a heartbeat.
    public var lastSign: UInt64 { abandonableFrom - min(delay, abandonableFrom) }
}

/// The contract, its vault and its tokens, as several nodes tell of them.
public struct SettlementReader: Sendable {
    /// The nodes.
    public let nodes: EVMNodes
    /// The contract.
    public let contract: EVMAddress
    /// Where deposits, bonds and the reserve lie.
    public let vault: EVMAddress
    /// The dollar token.
    public let usd: EVMAddress
    /// The incentive token.
    public let tly: EVMAddress
    /// So many seconds after its window a requested slash is void; a constant of the contract.
    public static let executionWindow: UInt64 = 30 * 86_400
    private let artifact: ContractArtifact

    /// A call: who is asked what.
    struct Question: Sendable {
        let contract: EVMAddress
        let data: [UInt8]
        let results: [ABIType]
    }

    struct Told: Hashable, Sendable {
        let hash: Digest
        let timestamp: UInt64
        let values: [ABIValue]
    }

    /// Asks the contract where its vault and tokens are.
    public init(
        nodes: EVMNodes, contract: EVMAddress, artifact: ContractArtifact
    ) async throws(ChainError) {
        var found: [EVMAddress] = []
        for getter in ["VAULT", "USDC", "TLY"] {
            let value = try await nodes.agreed { node throws(ChainError) in
                try await Contract(chain: node, address: contract, artifact: artifact)
                    .read(getter)
            }
            guard case .address(let address)? = value.first else {
                throw .inconsistentNode("the contract has no \(getter)")
            }
            found.append(address)
        }
        self.nodes = nodes
        self.contract = contract
        self.artifact = artifact
        (vault, usd, tly) = (found[0], found[1], found[2])
    }

    /// The address of a token.
    public func token(_ asset: Asset) -> EVMAddress { asset == .usd ? usd : tly }

    /// What is held and promised at the end of a block. The nodes must still have its state.
    public func holdings(at block: UInt64) async throws(ChainError) -> SettlementHoldings {
        let told = try await ask(try abi { () throws(ABIError) in try questions() }, at: block)
        return try abi { () throws(ABIError) in
            func number(_ place: Int) throws(ABIError) -> UInt128 {
                try told.values[place].uint128("holdings")
            }
            func token(_ first: Int) throws(ABIError) -> SettlementHoldings.Token {
                SettlementHoldings.Token(
                    inVault: try number(first), inContract: try number(first + 1),
                    active: try number(first + 2), claimed: try number(first + 3),
                    uncommitted: try number(first + 4))
            }
            return SettlementHoldings(
                block: block, hash: told.hash, timestamp: told.timestamp, usd: try token(0),
                tly: try token(5), bonds: try number(10),
                batch: try told.values[11].uint64("batch"),
                isRootWaiting: try told.values[12].flag("rootWaiting"),
                activeFrom: try told.values[13].uint64("activeFrom"),
                root: try told.values[14].digest("root"),
                isPaused: try told.values[15].flag("paused"),
                isAbandoned: try told.values[16].flag("abandoned"))
        }
    }

    /// Which root pays and which waits at the end of a block.
    public func roots(at block: UInt64) async throws(ChainError) -> RootStatus {
        let questions = try abi { () throws(ABIError) in
            var all: [Question] = []
            for view in ["batch", "rootWaiting", "activeFrom", "root"] {
                all.append(try question(view))
            }
            return all
        }
        let told = try await ask(questions, at: block)
        return try abi { () throws(ABIError) in
            RootStatus(
                timestamp: told.timestamp, batch: try told.values[0].uint64("batch"),
                isWaiting: try told.values[1].flag("rootWaiting"),
                activeFrom: try told.values[2].uint64("activeFrom"),
                root: try told.values[3].digest("root"))
        }
    }

    private func questions() throws(ABIError) -> [Question] {
        var all: [Question] = []
        for token in [usd, tly] {
            for holder in [vault, contract] { all.append(Self.balance(of: holder, in: token)) }
            for view in ["committedTotal", "claimedTotal", "uncommitted"] {
                all.append(try question(view, [.address(token)]))
            }
        }
        for view in [
            "bondTotal", "batch", "rootWaiting", "activeFrom", "root", "paused", "abandoned",
        ] {
            all.append(try question(view))
        }
        return all
    }

    /// What accounts were ever paid in a token, in their order.
    public func claimed(
        _ accounts: [EVMAddress], token: EVMAddress, at block: UInt64
    ) async throws(ChainError) -> [UInt128] {
        try await numbers("claimed", at: block, accounts.map { [.address(token), .address($0)] })
    }

    /// What accounts hold of tokens, in their order.
    public func balances(
        _ holders: [(account: EVMAddress, token: EVMAddress)], at block: UInt64
    ) async throws(ChainError) -> [UInt128] {
        let questions = holders.map { Self.balance(of: $0.account, in: $0.token) }
        let told = try await ask(questions, at: block)
        return try abi { () throws(ABIError) in
            var all: [UInt128] = []
            for value in told.values { all.append(try value.uint128("balanceOf")) }
            return all
        }
    }

    /// What providers could take out of their bonds, in their order.
    public func withdrawable(
        _ providers: [EVMAddress], at block: UInt64
    ) async throws(ChainError) -> [UInt128] {
        try await numbers("withdrawable", at: block, providers.map { [.address($0)] })
    }

    /// What a slash can reach of providers, in their order.
    public func slashable(
        _ providers: [EVMAddress], at block: UInt64
    ) async throws(ChainError) -> [UInt128] {
        try await numbers("slashable", at: block, providers.map { [.address($0)] })
    }

    /// From when requested slashes can be executed, in Unix seconds; `nil` for one that was not
    /// requested, or is decided. With the block's own time.
    public func executableFrom(
        _ verdicts: [Digest], at block: UInt64
    ) async throws(ChainError) -> (now: UInt64, moments: [UInt64?]) {
        let questions = try abi { () throws(ABIError) in
            var all: [Question] = []
            for verdict in verdicts { all.append(try question("slashes", [.bytes32(verdict)])) }
            return all
        }
        let told = try await ask(questions, at: block)
        return try abi { () throws(ABIError) in
            var moments: [UInt64?] = []
            for value in told.values {
                guard case .tuple(let fields) = value, fields.count == 5 else {
                    throw .badArgument("slashes")
                }
                let provider = try fields[0].address("slashes")
                moments.append(provider == .zero ? nil : try fields[3].uint64("slashes"))
            }
            return (told.timestamp, moments)
        }
    }

    /// When anybody may declare the house abandoned, at the end of a block.
    public func abandonment(at block: UInt64) async throws(ChainError) -> AbandonmentStatus {
        let asked = try abi { () throws(ABIError) in
            [
                try question("abandonableFrom"), try question("ESCAPE_DELAY"),
                try question("abandoned"),
            ]
        }
        let told = try await ask(asked, at: block)
        return try abi { () throws(ABIError) in
            AbandonmentStatus(
                timestamp: told.timestamp,
                abandonableFrom: try told.values[0].uint64("abandonableFrom"),
                delay: try told.values[1].uint64("ESCAPE_DELAY"),
                isAbandoned: try told.values[2].flag("abandoned"))
        }
    }

    /// Which of these names an account has used for a dispersal by the end of a block.
    public func areDispersed(
        _ names: [Digest], by payer: EVMAddress, at block: UInt64
    ) async throws(ChainError) -> [Bool] {
        let asked = try abi { () throws(ABIError) in
            var all: [Question] = []
            for name in names {
                all.append(try question("dispersed", [.address(payer), .bytes32(name)]))
            }
            return all
        }
        let told = try await ask(asked, at: block)
        return try abi { () throws(ABIError) in
            var all: [Bool] = []
            for value in told.values { all.append(try value.flag("dispersed")) }
            return all
        }
    }

    /// The roots that a transaction committed, as the chain's receipt of it tells.
    public func committed(in transaction: Digest) async throws(ChainError) -> [CommittedRoot] {
        let (contract, artifact) = (contract, artifact)
        return try await nodes.agreed { node throws(ChainError) in
            guard let receipt = try await node.uncheckedReceipt(of: transaction),
                receipt.transaction == transaction
            else { throw .inconsistentNode("there is no receipt of a root's transaction") }
            return try receipt.logs.committedRoots(of: contract, artifact)
        }
    }

    /// The names that a transaction has used for dispersals, as the chain's receipt of it tells.
    public func dispersed(in transaction: Digest) async throws(ChainError) -> UsedNames {
        let (contract, artifact) = (contract, artifact)
        return try await nodes.agreed { node throws(ChainError) in
            guard let receipt = try await node.uncheckedReceipt(of: transaction),
                receipt.transaction == transaction
            else { throw .inconsistentNode("there is no receipt of that transaction") }
            var names: [UsedName] = []
            for log in receipt.logs where log.address == contract {
                try abi { () throws(ABIError) in
                    if let (name, values) = try artifact.decode(log),
                        case .dispersed(let account, let used, _, _)? =
                            try ChainEvent(name: name, values: values)
                    {
                        names.append(UsedName(account: account, name: used))
                    }
                }
            }
            return UsedNames(block: receipt.blockNumber, names: names)
        }
    }

    /// The dollars of deposits and bonds that the contract logged, by transaction.
    func paymentsIn(
        from first: UInt64, to last: UInt64, _ node: EVMChain
    ) async throws(ChainError) -> [Digest: [UInt128]] {
        let topics = try abi { () throws(ABIError) in
            [try artifact.event("Deposited").topic, try artifact.event("Bonded").topic]
        }
        let logs = try await node.logs(
            LogFilter(contract: contract, topics: [topics]), from: first, to: last)
        var paid: [Digest: [UInt128]] = [:]
        for log in logs {
            let values = try abi { () throws(ABIError) in try artifact.decode(log)?.values ?? [] }
            guard
                let amount = try abi({ () throws(ABIError) in try values.last?.uint128("amount") })
            else { continue }
            paid[log.transaction, default: []].append(amount)
        }
        return paid
    }

    private func numbers(
        _ view: String, at block: UInt64, _ arguments: [[ABIValue]]
    ) async throws(ChainError) -> [UInt128] {
        let questions = try abi { () throws(ABIError) in
            var all: [Question] = []
            for one in arguments { all.append(try question(view, one)) }
            return all
        }
        let told = try await ask(questions, at: block)
        return try abi { () throws(ABIError) in
            var all: [UInt128] = []
            for value in told.values { all.append(try value.uint128(view)) }
            return all
        }
    }

    func question(
        _ view: String, _ arguments: [ABIValue] = []
    ) throws(ABIError) -> Question {
        Question(
            contract: contract, data: try artifact.callData(view, arguments),
            results: try artifact.function(view).outputs)
    }

    /// `balanceOf(address)` of any ERC-20.
    private static func balance(of holder: EVMAddress, in token: EVMAddress) -> Question {
        let padding = [UInt8](repeating: 0, count: 12)
        return Question(
            contract: token, data: [0x70, 0xa0, 0x82, 0x31] + padding + holder.bytes,
            results: [.uint(bits: 256)])
    }

    /// Asks each node all of it at one block, which it must have before and after.
    func ask(
        _ questions: [Question], at block: UInt64
    ) async throws(ChainError) -> Told {
        try await nodes.agreed { node throws(ChainError) in
            guard let before = try await node.block(block) else {
                throw .inconsistentNode("block \(block) is not there yet: the node is behind")
            }
            var values: [ABIValue] = []
            for question in questions {
                let data = try await node.call(question.contract, question.data, at: block)
                values.append(
                    try abi { () throws(ABIError) in
                        let all = try ABIDecoder.decode(data, as: question.results)
                        return all.count == 1 ? all[0] : .tuple(all)
                    })
            }
            guard let after = try await node.block(block), after.hash == before.hash else {
                throw .inconsistentNode("block \(block) changed while it was looked at")
            }
            return Told(hash: before.hash, timestamp: before.timestamp, values: values)
        }
    }
}

/// Runs what reads or writes contract data; its error as one of the chain's.
func abi<Value>(_ body: () throws(ABIError) -> Value) throws(ChainError) -> Value {
    do throws(ABIError) {
        return try body()
    } catch {
        throw .abi(error)
    }
}

extension [EVMLog] {
    /// The roots among logs of a contract.
    func committedRoots(
        of contract: EVMAddress, _ artifact: ContractArtifact
    ) throws(ChainError) -> [CommittedRoot] {
        var found: [CommittedRoot] = []
        for log in self where log.address == contract {
            try abi { () throws(ABIError) in
                if let (name, values) = try artifact.decode(log),
                    case .rootCommitted(let batch, let root, let head, _, _, let owed, _)? =
                        try ChainEvent(name: name, values: values)
                {
                    found.append(
                        CommittedRoot(
                            batch: batch, root: root, journalHead: head, liabilities: owed))
                }
            }
        }
        return found
    }
}

/// A name that an account has used for a dispersal.
public struct UsedName: Hashable, Sendable {
    /// Who called the contract.
    public let account: EVMAddress
    /// Its name for it.
    public let name: Digest

    /// A name of an account's.
    public init(account: EVMAddress, name: Digest) {
        (self.account, self.name) = (account, name)
    }
}

/// The names that one transaction has used.
public struct UsedNames: Hashable, Sendable {
    /// The block that the transaction is in.
    public let block: UInt64
    /// The names, in the order of their logs.
    public let names: [UsedName]
}
