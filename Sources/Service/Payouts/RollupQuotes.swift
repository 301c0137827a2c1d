import Chains
import Clearing
import Cryptography
import Primitives

/// Transactions like those that settle, by which a rollup is asked what it charges for them beside
/// gas. Their accounts and sums have digits as real ones have: rollups price compressed bytes.
struct RollupSamples: Sendable {
    /// A root, making it pay, a claim of one of 16,384 leaves, a push to one, and one to many.
    private static let kinds = 5
    /// Payees of the last one.
    private static let many = 500
    private static let siblings = 14

    private let transactions: [EVMTransaction]

    /// Transactions to a contract whose gas is as the table says, at a price.
    init(
        _ contract: EVMAddress, _ artifact: ContractArtifact, chainID: UInt64, usd: EVMAddress,
        gas: GasTable, price: UInt128
    ) throws(ABIError) {
        let (root, head, owed) = (Self.digest(1), Self.digest(2), Self.digest(3))
        func push(to count: Int) throws(ABIError) -> [UInt8] {
            let payments = (0..<count).map { place in
                EVMPayment(to: Self.account(place), units: 1_234_567 * UInt128(place + 1))
            }
            return try SettlementOrder.disperse(
                token: usd, name: root, payments: payments,
                books: PushedBooks(journalHead: head, liabilities: owed)
            ).callData(artifact)
        }
        let committed = CommittedRoot(
            batch: 1_000, root: root, journalHead: head, liabilities: owed)
        let orders = [
            SettlementOrder.commitRoot(
                batch: 1_000, root: root, totalUSD: 12_345_678_901_234, totalTLY: 1 << 80,
                journalHead: head, liabilities: owed),
            .activateRoot(committed),
        ]
        let proof = (0..<Self.siblings).map { ABIValue.bytes32(Self.digest(100 + $0)) }
        let claim = try artifact.callData(
            "claim",
            [.address(usd), .address(Self.account(0)), .uint(1_234_567), .array(proof)])
        let calls =
            [
                try orders[0].callData(artifact), try orders[1].callData(artifact), claim,
                try push(to: 1), try push(to: Self.many),
            ]
        let used = [
            gas.commit, gas.activate, gas.claim, gas.dispersal + gas.payee,
            gas.dispersal + UInt64(Self.many) * gas.payee,
        ]
        transactions = zip(calls, used).map { data, gas in
            EVMTransaction(
                chainID: chainID, nonce: 1_000, maxPriorityFeePerGas: price / 2,
                maxFeePerGas: price, gasLimit: gas, to: contract, data: data)
        }
    }

    /// What a node says that the chain charges for each; none if it is no such rollup.
    func fees(_ node: EVMChain) async throws(ChainError) -> [UInt128] {
        var fees: [UInt128] = []
        for transaction in transactions {
            guard let fee = try await node.rollupFee(of: transaction) else { return [] }
            fees.append(fee)
        }
        return fees
    }

    /// The gas table with these fees in it, as so much gas more: the plan knows one kind of cost.
    static func table(_ gas: GasTable, with fees: [UInt128], price: UInt128) -> GasTable {
        guard fees.count == kinds else { return gas }
        // Beyond this nothing is sent anyway, and sums of it stay far below 2^64.
        let most: UInt128 = 1_000_000_000_000
        func asGas(_ wei: UInt128) -> UInt64 {
            let price = max(price, 1)
            return UInt64(min(wei / price + (wei % price == 0 ? 0 : 1), most))
        }
        let (one, all) = (asGas(fees[3]), asGas(fees[4]))
        let payee = (all - min(one, all)) / UInt64(many - 1)
        var table = gas
        table.commit += asGas(fees[0])
        table.activate += asGas(fees[1])
        table.claim += asGas(fees[2])
        table.payee += payee
        table.dispersal += one - min(payee, one)
        return table
    }

    private static func digest(_ number: Int) -> Digest {
        SHA256.hash(Array("exchequer sample \(number)".utf8))
    }

    private static func account(_ number: Int) -> EVMAddress {
        EVMAddress(digest(1_000 + number).bytes.suffix(20)) ?? .zero
    }
}

extension SettlementService {
    /// What gas a settlement costs here, at a price: the house's table, and on a rollup of the OP
    /// stack what that charges for data and for its operator, as enough nodes quote it.
    func gasTable(_ gas: GasTable, price: UInt128) async throws(ChainError) -> GasTable {
        let samples: RollupSamples
        do throws(ABIError) {
            samples = try RollupSamples(
                contract, artifact, chainID: chainID, usd: usd, gas: gas, price: price)
        } catch {
            throw .abi(error)
        }
        let answers = await nodes.answers { node throws(ChainError) in
            try await samples.fees(node)
        }
        let told = answers.compactMap { try? $0.get() }
        if told.count(where: \.isEmpty) >= nodes.quorum.needed { return gas }
        let quoted = told.filter { !$0.isEmpty }
        guard let first = quoted.first, quoted.count >= nodes.quorum.needed else {
            throw .inconsistentNode("too few nodes tell what a transaction's data costs")
        }
        let fees = first.indices.compactMap { place in
            nodes.quorum.reached(quoted.map { $0[place] })
        }
        return RollupSamples.table(gas, with: fees, price: price)
    }
}
