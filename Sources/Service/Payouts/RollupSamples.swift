import Chains
import Clearing
import Cryptography
import Primitives

/// Transactions like the house's, by which a rollup is asked what it charges for them beside gas.
/// Their accounts and sums have digits as real ones have: rollups price compressed bytes.
struct RollupSamples: Sendable {
    typealias Kind = RollupQuote.Kind

    private static let siblings = 14
    /// Gas of the transfer of what was claimed, of all that a voucher's claim takes.
    private static let sweepGas: UInt64 = 65_000

    /// Each kind that the house sends, or its payees do for it.
    let transactions: [(kind: Kind, transaction: EVMTransaction)]

    /// Transactions to a contract whose gas is as the table says, at a price; with those of
    /// channels if there are to be any.
    init(
        _ contract: EVMAddress, _ artifact: ContractArtifact, chainID: UInt64, usd: EVMAddress,
        channels: HouseConfiguration.Channels?, gas: GasTable, price: UInt128
    ) throws(ABIError) {
        var all: [(kind: Kind, transaction: EVMTransaction)] = []
        func add(_ kind: Kind, to account: EVMAddress, _ data: [UInt8], gas: UInt64) {
            let transaction = EVMTransaction(
                chainID: chainID, nonce: 1_000, maxPriorityFeePerGas: price / 2,
                maxFeePerGas: price, gasLimit: gas, to: account, data: data)
            all.append((kind, transaction))
        }
        let books = PushedBooks(journalHead: Self.digest(2), liabilities: Self.digest(3))
        for (kind, order, used) in [
            (Kind.commit, Self.root(books), gas.commit),
            (.activate, Self.activation(books), gas.activate),
            (.push, Self.push(to: 1, usd, books), gas.dispersal + gas.payee),
            (
                .pushMany, Self.push(to: RollupQuote.payeesOfMany, usd, books),
                gas.dispersal + UInt64(RollupQuote.payeesOfMany) * gas.payee
            ),
        ] { add(kind, to: contract, try order.callData(artifact), gas: used) }
        let proof = (0..<Self.siblings).map { ABIValue.bytes32(Self.digest(100 + $0)) }
        let claim = try artifact.callData(
            "claim", [.address(usd), .address(Self.account(0)), .uint(1_234_567), .array(proof)])
        add(.claim, to: contract, claim, gas: gas.claim)
        if let channels, let calls = Self.calls(of: channels, chainID, usd) {
            let claimed = ChannelReckoning.claimGas - Self.sweepGas
            add(.deposit, to: channels.contract, calls.deposit, gas: ChannelReckoning.depositGas)
            add(.voucher, to: channels.contract, calls.claim, gas: claimed)
            add(.sweep, to: channels.contract, calls.sweep, gas: Self.sweepGas)
        }
        transactions = all
    }

    private static func root(_ books: PushedBooks) -> SettlementOrder {
        .commitRoot(
            batch: 1_000, root: digest(1), totalUSD: 12_345_678_901_234, totalTLY: 1 << 80,
            journalHead: books.journalHead, liabilities: books.liabilities)
    }

    private static func activation(_ books: PushedBooks) -> SettlementOrder {
        .activateRoot(
            CommittedRoot(
                batch: 1_000, root: digest(1), journalHead: books.journalHead,
                liabilities: books.liabilities))
    }

    private static func push(
        to count: Int, _ usd: EVMAddress, _ books: PushedBooks
    ) -> SettlementOrder {
        let payments = (0..<count).map { place in
            EVMPayment(to: account(place), units: 1_234_567 * UInt128(place + 1))
        }
        return .disperse(token: usd, name: digest(1), payments: payments, books: books)
    }

    /// What is called for a channel: by the house, and by its receiver.
    private static func calls(
        of channels: HouseConfiguration.Channels, _ chainID: UInt64, _ usd: EVMAddress
    ) -> (deposit: [UInt8], claim: [UInt8], sweep: [UInt8])? {
        guard let key = Secp256k1.PrivateKey(digest(4).bytes) else { return nil }
        let receiver = account(1)
        let config = BatchChannel.Config(
            payer: key.address, receiver: receiver, receiverAuthorizer: receiver, token: usd,
            withdrawDelay: channels.withdrawDelay, salt: digest(5))
        do throws(ChannelRefusal) {
            let channel = try BatchChannel(config, chainID: chainID, contract: channels.contract)
            let voucher = try channel.voucher(12_345_678, by: key)
            let deposit = BatchCall.deposit(
                channels.depositUnits, into: channel, collector: channels.collector,
                collectorData: BatchCall.collectorData(
                    validAfter: 0, validBefore: 1_800_000_000, salt: digest(6),
                    signature: key.sign(digest(7))))
            let row = BatchClaim.Row(channel, voucher, total: voucher.cumulative)
            return (
                deposit, try BatchClaim([row]).callData(),
                BatchCall.settle(receiver: receiver, token: usd)
            )
        } catch {
            // The house has looked at the terms when it started.
            return nil
        }
    }

    /// What a node says that the chain charges for each, in wei, as far as it says it; nothing if
    /// it is no such rollup. After the first, which tells that, all are asked at the same time.
    func quote(by node: EVMChain) async throws(ChainError) -> [Kind: UInt128] {
        guard let first = transactions.first,
            let fee = try await node.rollupFee(of: first.transaction)
        else { return [:] }
        let others = transactions.dropFirst()
        let told = await withTaskGroup(of: (Kind, UInt128?).self) { group in
            for (kind, transaction) in others {
                group.addTask { (kind, try? await node.rollupFee(of: transaction)) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var fees = [first.kind: fee]
        for (kind, fee) in told { fees[kind] = fee }
        return fees
    }

    private static func digest(_ number: Int) -> Digest {
        SHA256.hash(Array("exchequer sample \(number)".utf8))
    }

    private static func account(_ number: Int) -> EVMAddress {
        EVMAddress(digest(1_000 + number).bytes.suffix(20)) ?? .zero
    }
}
