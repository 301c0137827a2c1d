import Primitives

extension SignerRequest {
    /// A channel with all its terms, one message of its payer, and the digest that they make.
    struct Channel: Codable, Sendable {
        struct Voucher: Codable, Sendable {
            let cumulative: String
        }

        struct Books: Codable, Sendable {
            let cumulative, sequence, journal_head, liabilities_root: String
        }

        struct Deposit: Codable, Sendable {
            let amount, valid_before, salt, collector, token_name, token_version: String
        }

        let chain_id, contract, payer, payer_authorizer, receiver, receiver_authorizer: String
        let token, withdraw_delay, salt, digest: String
        var voucher: Voucher?
        var books: Books?
        var deposit: Deposit?
    }
}

extension SignerRequest.Channel {
    private static let longestName = 128

    init(_ message: ChannelMessage, in channel: BatchChannel) {
        let config = channel.config
        self.init(
            chain_id: String(channel.chainID), contract: channel.contract.hex,
            payer: config.payer.hex, payer_authorizer: config.payerAuthorizer.hex,
            receiver: config.receiver.hex, receiver_authorizer: config.receiverAuthorizer.hex,
            token: config.token.hex, withdraw_delay: String(config.withdrawDelay),
            salt: "0x" + config.salt.hex, digest: "0x" + message.digest(in: channel).hex)
        switch message {
        case .voucher(let cumulative): voucher = Voucher(cumulative: String(cumulative))
        case .books(let cumulative, let sequence, let told):
            books = Books(
                cumulative: String(cumulative), sequence: String(sequence),
                journal_head: "0x" + told.journalHead.hex,
                liabilities_root: "0x" + told.liabilities.hex)
        case .deposit(let wanted):
            deposit = Deposit(
                amount: String(wanted.amount), valid_before: String(wanted.validBefore),
                salt: "0x" + wanted.salt.hex, collector: wanted.collector.hex,
                token_name: wanted.tokenName, token_version: wanted.tokenVersion)
        }
    }

    /// The message and its channel; throws `malformed` if a field is not what it should be, and
    /// `otherDigest` if the digest is not theirs.
    func message() throws(SignerRefusal) -> (ChannelMessage, BatchChannel) {
        guard let message = read(), let channel = channel() else {
            throw SignerRefusal(.malformed, "a field of the channel or its message is ill-formed")
        }
        guard Digest(hex: digest) == message.digest(in: channel) else {
            throw SignerRefusal(.otherDigest, "the digest is not of this message")
        }
        return (message, channel)
    }

    private func channel() -> BatchChannel? {
        guard let chain = UInt64(chain_id), let delay = UInt64(withdraw_delay),
            let contract = EVMAddress(hex: contract), let payer = EVMAddress(hex: payer),
            let payerAuthorizer = EVMAddress(hex: payer_authorizer),
            let receiver = EVMAddress(hex: receiver),
            let receiverAuthorizer = EVMAddress(hex: receiver_authorizer),
            let token = EVMAddress(hex: token), let salt = Digest(hex: salt)
        else { return nil }
        let config = BatchChannel.Config(
            payer: payer, payerAuthorizer: payerAuthorizer, receiver: receiver,
            receiverAuthorizer: receiverAuthorizer, token: token, withdrawDelay: delay, salt: salt)
        return try? BatchChannel(config, chainID: chain, contract: contract)
    }

    /// Exactly one message.
    private func read() -> ChannelMessage? {
        switch (voucher, books, deposit) {
        case (let one?, nil, nil):
            return UInt128(one.cumulative).map { .voucher(cumulative: $0) }
        case (nil, let one?, nil):
            guard let sum = UInt128(one.cumulative), let sequence = UInt64(one.sequence),
                let head = Digest(hex: one.journal_head),
                let root = Digest(hex: one.liabilities_root)
            else { return nil }
            let books = PushedBooks(journalHead: head, liabilities: root)
            return .books(cumulative: sum, sequence: sequence, books)
        case (nil, nil, let one?):
            guard let amount = UInt128(one.amount), let end = UInt64(one.valid_before),
                let salt = Digest(hex: one.salt), let collector = EVMAddress(hex: one.collector),
                one.token_name.utf8.count <= Self.longestName,
                one.token_version.utf8.count <= Self.longestName
            else { return nil }
            return .deposit(
                ChannelDeposit(
                    amount, validBefore: end, salt: salt, collector: collector,
                    tokenName: one.token_name, tokenVersion: one.token_version))
        default: return nil
        }
    }
}
