import Cryptography
import Primitives

/// A transaction that a policy allows for what it is, and what it costs and moves: whether that is
/// too much depends on what was signed before.
struct SigningAssessment: Hashable, Sendable {
    /// How what it moves counts.
    enum Movement: Hashable, Sendable {
        /// As often as another transaction is signed.
        case each
        /// As far as it is above what was signed before, in sums that only grow.
        case growing(of: Digest)
        /// Once for its name.
        case once(Digest)
    }

    /// What the transaction replaces if it is signed again: the nonce, or the message itself.
    /// `nil` for what neither costs nor moves anything: nothing is taken down for it.
    let place: Digest?
    /// What it costs and moves.
    let cost: SigningCost
    let movement: Movement
    /// What the log calls it.
    let name: String

    /// What one transaction's cap is about. Sums that only grow count as far as they are new;
    /// anything else as it is, however often it was signed before.
    func mostItMoves(adding added: SigningCost) -> SigningCost {
        if case .growing = movement {
            return SigningCost(coin: cost.coin, usd: added.usd, tly: added.tly)
        }
        return cost
    }
}

extension SigningPolicy {
    /// Whether the key may sign such a transaction at all, and what it costs.
    func assess(
        _ transaction: EVMTransaction, from account: EVMAddress
    ) throws(SignerRefusal) -> SigningAssessment {
        guard case .evm(let chains, let calls, _) = scope else {
            throw SignerRefusal(.noSuchKey, "the key's policy is for Solana")
        }
        guard chains.contains(transaction.chainID) else {
            throw SignerRefusal(.chain, "chain \(transaction.chainID) is not in the policy")
        }
        let (gas, isHuge) = transaction.maxFeePerGas.multipliedReportingOverflow(
            by: UInt128(transaction.gasLimit))
        let coin = (isHuge ? .max : gas).saturatingSum(transaction.value)
        let place = Digest(words: (0, 0, transaction.chainID, transaction.nonce))
        // What frees a nonce: nothing, to itself.
        if transaction.to == account, transaction.value == 0, transaction.data.isEmpty {
            return SigningAssessment(
                place: place, cost: SigningCost(coin: coin), movement: .each, name: "nothing")
        }
        guard let contract = transaction.to, let functions = calls[contract] else {
            throw SignerRefusal(
                .contract, "\(transaction.to?.hex ?? "a deployment") is not in the policy")
        }
        let selector = Array(transaction.data.prefix(4))
        guard selector.count == 4, functions.contains(selector) else {
            throw SignerRefusal(
                .function, "0x\(Hex.encode(selector)) of \(contract.hex) is not in the policy")
        }
        let (moved, movement, name) = try assess(
            SettlementCall(transaction.data), of: contract, on: transaction.chainID)
        return SigningAssessment(
            place: place, cost: SigningCost(coin: coin, usd: moved.usd, tly: moved.tly),
            movement: movement, name: name ?? "0x" + Hex.encode(selector))
    }

    /// What a function that the policy has moves, how that counts, and what the log calls it.
    private func assess(
        _ call: SettlementCall, of contract: EVMAddress, on chain: UInt64
    ) throws(SignerRefusal) -> (SigningCost, SigningAssessment.Movement, String?) {
        guard case .evm(_, let calls, let tokens) = scope else {
            throw SignerRefusal(.noSuchKey, "the key's policy is for Solana")
        }
        var place = ByteWriter()
        place.write(chain)
        place.write(contract)
        switch call {
        case .root(let usd, let tly):
            return (
                SigningCost(usd: usd, tly: tly), .growing(of: Keccak256.hash(place.bytes)),
                "commitRoot"
            )
        case .slash(let verdict, let usd):
            // Bytes of another length than a dispersal's or a deposit's are hashed: whoever asks
            // chooses the verdict, and must not choose the name of something else by it.
            place.write("slash")
            place.write(verdict)
            return (SigningCost(usd: usd), .once(Keccak256.hash(place.bytes)), "slash")
        case .disperse(let token, let name, let units):
            // The contract takes a name once: what is signed again under it counts as it grows.
            place.write(name)
            let movement = SigningAssessment.Movement.once(Keccak256.hash(place.bytes))
            if token == tokens.usd { return (SigningCost(usd: units), movement, "disperse") }
            if token == tokens.tly { return (SigningCost(tly: units), movement, "disperse") }
            throw SignerRefusal(
                .contract,
                "\(token.hex) is not among the policy's tokens: without \"tokens\" nothing is "
                    + "dispersed, since it could not be counted")
        case .approve(let spender):
            guard calls[spender]?.contains(SettlementCall.disperseSelector) == true else {
                throw SignerRefusal(
                    .contract, "the policy does not let \(spender.hex) disperse tokens")
            }
            return (SigningCost(), .each, "approve")
        case .unreadable:
            throw SignerRefusal(.function, "the function's arguments are not in their plain form")
        case .other: return (SigningCost(), .each, nil)
        }
    }
}
