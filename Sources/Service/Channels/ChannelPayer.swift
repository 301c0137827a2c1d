import Chains
import Clearing
import Cryptography
import Primitives

/// Whoever pays through channels on the EVM chain: it signs vouchers, and deposits for the
/// collector to fetch, with a key of this process or at a signer. Signatures are those of RFC 6979,
/// so what is signed again has the same bytes, and nothing of it needs to be kept.
struct ChannelPayer: Sendable {
    /// How channels are opened; `nil` if no new ones are.
    let options: HouseConfiguration.Channels?
    /// The token's name and version in what it has signed (EIP-712).
    private let tokenName, tokenVersion: String
    private let keys: [EVMAddress: any ChannelSigner]
    private let chainID: UInt64
    /// What salts are made of: the same for no two houses.
    private let name: Digest

    /// For how long a signed deposit counts: it names its channel and counts once, so that only
    /// keeps it from being carried out when nobody thinks of it any more.
    private static let depositSeconds: UInt64 = 86_400

    /// The payer of a house. Throws if channels are to be opened and its signer signs transactions
    /// only, or if the contract or the token is not what it must be.
    init(
        _ settlement: HouseConfiguration.Settlement, usd: EVMAddress, _ payer: DispersalPayer?,
        _ nodes: EVMNodes
    ) async throws(HouseError) {
        options = settlement.channels
        chainID = nodes.chainID
        name = payer?.name ?? .zero
        var keys: [EVMAddress: any ChannelSigner] = [:]
        for case let key as any ChannelSigner in [settlement.key] + settlement.retiring {
            keys[key.address] = key
        }
        self.keys = keys
        guard let options else {
            (tokenName, tokenVersion) = ("", "")
            return
        }
        guard let payer else {
            throw HouseError(.configuration, "payment channels go with settling by plan")
        }
        guard let key = keys[payer.account] else {
            throw HouseError(
                .configuration,
                "whoever signs for \(payer.account.hex) signs transactions only, and no vouchers")
        }
        let token = payer.token
        do throws(ChainError) {
            (tokenName, tokenVersion) = try await Self.domain(of: usd, token, nodes)
            try await Self.look(at: options, by: key.address, usd, nodes)
        } catch {
            throw HouseError(
                .network,
                "the contract of payment channels at \(options.contract.hex), or the token, does "
                    + "not answer as it must: \(error)")
        }
        try await Self.ask(key, usd, options, chainID)
    }

    /// Has the key sign what costs and says nothing, the books of a voucher over nothing in a
    /// channel that nobody has: a policy without channels is found out before the first is opened.
    /// One that does not answer now, or has no place on its disk, may sign later, as for everything
    /// else; then channels wait, and nothing else does.
    private static func ask(
        _ key: any ChannelSigner, _ usd: EVMAddress, _ options: HouseConfiguration.Channels,
        _ chainID: UInt64
    ) async throws(HouseError) {
        let nothing = PushedBooks(journalHead: .zero, liabilities: .zero)
        guard let channel = nobodys(options, key.address, usd, chainID) else { return }
        do throws(SigningFailure) {
            _ = try await key.signature(
                of: .books(cumulative: 0, sequence: 0, nothing), in: channel)
        } catch {
            guard case .refused(let refusal) = error, refusal.isOfChannels else { return }
            throw HouseError(
                .configuration, "payment channels cannot be opened, since \(error)")
        }
    }

    private static func nobodys(
        _ options: HouseConfiguration.Channels, _ payer: EVMAddress, _ usd: EVMAddress,
        _ chainID: UInt64
    ) -> BatchChannel? {
        let config = BatchChannel.Config(
            payer: payer, receiver: payer, receiverAuthorizer: payer, token: usd,
            withdrawDelay: options.withdrawDelay, salt: .zero)
        return try? BatchChannel(config, chainID: chainID, contract: options.contract)
    }

    private static func domain(
        of usd: EVMAddress, _ token: ContractArtifact, _ nodes: EVMNodes
    ) async throws(ChainError) -> (name: String, version: String) {
        let words = try await nodes.agreed { node throws(ChainError) in
            let contract = Contract(chain: node, address: usd, artifact: token)
            return try await contract.read("name") + contract.read("version")
        }
        guard words.count == 2, case .string(let name) = words[0],
            case .string(let version) = words[1]
        else { throw .inconsistentNode("the token does not say its name") }
        return (name, version)
    }

    /// Asks the contract about a channel that nobody has: another contract has no answer.
    private static func look(
        at options: HouseConfiguration.Channels, by payer: EVMAddress, _ usd: EVMAddress,
        _ nodes: EVMNodes
    ) async throws(ChainError) {
        guard let channel = nobodys(options, payer, usd, nodes.chainID) else {
            throw .inconsistentNode("the channels' delay, or an account, is none that it takes")
        }
        _ = try await nodes.agreed { node throws(ChainError) in
            try await node.state(of: channel).balance
        }
    }

    // MARK: Terms

    /// The channel of a house's record; `nil` if the contract would not have such a one.
    func channel(_ terms: ChannelDraft) -> BatchChannel? {
        let config = BatchChannel.Config(
            payer: terms.payer, receiver: terms.receiver, receiverAuthorizer: terms.receiver,
            token: terms.token, withdrawDelay: terms.withdrawDelay, salt: terms.salt)
        return try? BatchChannel(config, chainID: chainID, contract: terms.contract)
    }

    /// A channel to be opened, the house's `number`th: its name follows from that, so a house that
    /// forgot the last moments of its journal opens the same one, and not another beside it.
    func draft(
        _ options: HouseConfiguration.Channels, to party: PartyID, receiver: EVMAddress,
        payer: EVMAddress, token: EVMAddress, number: UInt64
    ) -> ChannelDraft? {
        var writer = ByteWriter()
        writer.writeRaw(Array("exchequer channel".utf8))
        writer.write(name)
        writer.write(party)
        writer.write(number)
        var draft = ChannelDraft(
            party: party, asset: .usd, payer: payer, receiver: receiver,
            contract: options.contract, token: token, withdrawDelay: options.withdrawDelay,
            salt: SHA256.hash(writer.bytes), key: .zero, deposit: options.depositUnits)
        guard let channel = channel(draft) else { return nil }
        draft.key = channel.id
        return draft
    }

    // MARK: Signatures

    /// The voucher for all that is promised; `nil` if the payer's key is not here. Throws if its
    /// signer gives no signature.
    func voucher(_ record: HouseChannel) async throws(SigningFailure) -> Voucher? {
        guard let (key, channel) = payer(of: record) else { return nil }
        let signature = try await key.signature(
            of: .voucher(cumulative: record.promised), in: channel)
        return Voucher(
            channel: channel.id, cumulative: record.promised, signature: signature.bytes)
    }

    /// Under which books that voucher is signed; `nil` if the payer's key is not here. Throws if
    /// its signer gives no signature.
    func books(
        _ record: HouseChannel, _ seal: VoucherSeal
    ) async throws(SigningFailure) -> VoucherBooks? {
        guard let (key, channel) = payer(of: record) else { return nil }
        let (sum, books) = (seal.sum.cumulative, seal.books)
        let signature = try await key.signature(
            of: .books(cumulative: sum, sequence: books.sequence, books.pushed), in: channel)
        return VoucherBooks(
            channel: channel.id, cumulative: sum, sequence: books.sequence, books: books.pushed,
            signature: signature.bytes)
    }

    private func payer(
        of record: HouseChannel
    ) -> (key: any ChannelSigner, channel: BatchChannel)? {
        guard let key = keys[record.terms.payer], let channel = channel(record.terms),
            channel.id == record.terms.key
        else { return nil }
        return (key, channel)
    }

    /// Whether its vouchers can be signed.
    func canSign(for payer: EVMAddress) -> Bool { keys[payer] != nil }

    /// The call that pays the deposit up to a target in. The token takes the authorization once,
    /// whoever sends it and however often it is signed: its name is the channel's and the
    /// target's.
    func depositCall(
        _ amount: UInt128, into channel: BatchChannel, name: Digest, at now: Timestamp
    ) async throws(SigningFailure) -> [UInt8]? {
        guard let options, let key = keys[channel.config.payer] else { return nil }
        let end = now.nanoseconds / 1_000_000_000 + Self.depositSeconds
        let deposit = ChannelDeposit(
            amount, validBefore: end, salt: name, collector: options.collector,
            tokenName: tokenName, tokenVersion: tokenVersion)
        let signature = try await key.signature(of: .deposit(deposit), in: channel)
        return BatchCall.deposit(
            amount, into: channel, collector: options.collector,
            collectorData: BatchCall.collectorData(
                validAfter: 0, validBefore: end, salt: name, signature: signature))
    }
}

extension HouseChannel {
    /// What the house does with a channel on chain, once each.
    enum Order: Hashable, Sendable {
        /// Pays in what is missing to a target.
        case deposit(target: UInt128)
        /// Says that it takes the deposit back, the `turn`th time.
        case withdraw(turn: UInt32)
        /// Takes it back.
        case finalize(turn: UInt32)
    }

    /// The name of an order, which follows from the channel and nothing else.
    func key(of order: Order) -> Digest {
        var writer = ByteWriter()
        writer.writeRaw(Array("exchequer channel order".utf8))
        writer.write(terms.key)
        switch order {
        case .deposit(let target):
            writer.write(UInt8(1))
            writer.write(target)
        case .withdraw(let turn):
            writer.write(UInt8(2))
            writer.write(turn)
        case .finalize(let turn):
            writer.write(UInt8(3))
            writer.write(turn)
        }
        return Keccak256.hash(writer.bytes)
    }

    /// The names of all its orders so far.
    var orderKeys: [Digest] {
        targets.map { key(of: .deposit(target: $0)) }
            + (0...withdrawals).flatMap { turn in
                [key(of: .withdraw(turn: turn)), key(of: .finalize(turn: turn))]
            }
    }
}
