public import Cryptography
public import Primitives

/// The data of calls of `x402BatchSettlement` and of its collector of EIP-3009 deposits.
public enum BatchCall {
    static let uint128 = ABIType.uint(bits: 128)
    static let config = ABIType.tuple([
        .address, .address, .address, .address, .address, .uint(bits: 40), .bytes32,
    ])

    /// Escrows an amount; whoever sends it. `collector` fetches it from the payer.
    public static func deposit(
        _ amount: UInt128, into channel: BatchChannel, collector: EVMAddress,
        collectorData: [UInt8]
    ) -> [UInt8] {
        data(
            "deposit", [config, uint128, .address, .bytes],
            [channel.abi, .uint(amount), .address(collector), .bytes(collectorData)])
    }

    /// Starts taking an amount back; the payer or its authorizer sends it.
    public static func initiateWithdraw(_ channel: BatchChannel, amount: UInt128) -> [UInt8] {
        data("initiateWithdraw", [config, uint128], [channel.abi, .uint(amount)])
    }

    /// Takes back what is not claimed, after the delay; the payer or its authorizer sends it.
    public static func finalizeWithdraw(_ channel: BatchChannel) -> [UInt8] {
        data("finalizeWithdraw", [config], [channel.abi])
    }

    /// Gives unclaimed money back; the receiver or its authorizer sends it.
    public static func refund(_ channel: BatchChannel, amount: UInt128) -> [UInt8] {
        data("refund", [config, uint128], [channel.abi, .uint(amount)])
    }

    /// Pays a receiver all of a token that was claimed for it, in one transfer; whoever sends it.
    public static func settle(receiver: EVMAddress, token: EVMAddress) -> [UInt8] {
        data("settle", [.address, .address], [.address(receiver), .address(token)])
    }

    /// What the collector is given to fetch a deposit by the payer's EIP-3009 authorization.
    public static func collectorData(
        validAfter: UInt64, validBefore: UInt64, salt: Digest, signature: RecoverableSignature
    ) -> [UInt8] {
        encoded(
            [
                .uint(UInt128(validAfter)), .uint(UInt128(validBefore)), .uint(UInt256(salt)),
                .bytes(signature.bytes),
            ], [.uint(bits: 256), .uint(bits: 256), .uint(bits: 256), .bytes])
    }

    /// The data of a call. The values always fit their types here.
    static func data(_ name: String, _ types: [ABIType], _ values: [ABIValue]) -> [UInt8] {
        let signature = name + ABIType.tuple(types).signature
        return Keccak256.hash(Array(signature.utf8)).bytes.prefix(4) + encoded(values, types)
    }

    private static func encoded(_ values: [ABIValue], _ types: [ABIType]) -> [UInt8] {
        do throws(ABIError) {
            return try ABIEncoder.encode(values, as: types)
        } catch {
            preconditionFailure("a value does not fit its type: \(error)")
        }
    }
}

extension BatchChannel {
    /// The parts as the contract takes them.
    var abi: ABIValue {
        .tuple([
            .address(config.payer), .address(config.payerAuthorizer), .address(config.receiver),
            .address(config.receiverAuthorizer), .address(config.token),
            .uint(UInt128(config.withdrawDelay)), .bytes32(config.salt),
        ])
    }

    /// What the payer signs, in the token's domain, for the collector to fetch a deposit:
    /// `ReceiveWithAuthorization` whose nonce is the hash of the channel and a salt, so that it is
    /// of no use for another channel.
    public func depositDigest(
        _ amount: UInt128, validAfter: UInt64, validBefore: UInt64, salt: Digest,
        collector: EVMAddress, tokenName: String, tokenVersion: String
    ) -> Digest {
        ReceiveAuthorization(
            from: config.payer, to: collector, amount: amount, validAfter: validAfter,
            validBefore: validBefore, nonce: Keccak256.hash(id, salt)
        ).digest(
            in: TokenDomain(
                name: tokenName, version: tokenVersion, chainID: chainID, token: config.token))
    }
}

/// What the contract says of a channel.
public struct BatchChannelState: Hashable, Sendable {
    /// All that was deposited and not given back; what was claimed is in it.
    public let balance: UInt128
    /// All that was ever claimed.
    public let totalClaimed: UInt128
    /// What the payer wants back; 0 if it does not.
    public let withdrawing: UInt128
    /// The second in which the payer said so; 0 if it did not.
    public let withdrawStarted: UInt64
    /// How often money was given back.
    public let refundNonce: UInt128
    /// The height of the block this is as of.
    public let height: UInt64
}

extension EVMChain {
    /// What the contract says of a channel, as of the newest block that counts. Four calls.
    public func state(of channel: BatchChannel) async throws(ChainError) -> BatchChannelState {
        try await EVMNodes(self).state(of: channel)
    }

    /// What the contract said of a channel at a height.
    func state(
        of channel: BatchChannel, at height: UInt64
    ) async throws(ChainError) -> BatchChannelState {
        let sums = try await read(
            channel, "channels", [BatchCall.uint128, BatchCall.uint128], height)
        let withdrawal = try await read(
            channel, "pendingWithdrawals", [BatchCall.uint128, .uint(bits: 40)], height)
        let nonce = try await read(channel, "refundNonce", [.uint(bits: 256)], height)
        do throws(ABIError) {
            return BatchChannelState(
                balance: try sums[0].uint128("balance"),
                totalClaimed: try sums[1].uint128("totalClaimed"),
                withdrawing: try withdrawal[0].uint128("amount"),
                withdrawStarted: try withdrawal[1].uint64("initiatedAt"),
                refundNonce: try nonce[0].uint128("refundNonce"), height: height)
        } catch {
            throw .abi(error)
        }
    }

    /// What had been claimed for a receiver at a height, and how much of it was paid to it.
    func sums(
        of sweep: BatchSweep, at height: UInt64
    ) async throws(ChainError) -> BatchSweep.Sums {
        let data = BatchCall.data(
            "receivers", [.address, .address], [.address(sweep.receiver), .address(sweep.token)])
        let result = try await call(sweep.contract, data, at: height)
        do throws(ABIError) {
            let sums = try ABIDecoder.decode(result, as: [BatchCall.uint128, BatchCall.uint128])
            return BatchSweep.Sums(
                claimed: try sums[0].uint128("totalClaimed"),
                paid: try sums[1].uint128("totalSettled"))
        } catch {
            throw .abi(error)
        }
    }

    private func read(
        _ channel: BatchChannel, _ name: String, _ types: [ABIType], _ height: UInt64
    ) async throws(ChainError) -> [ABIValue] {
        let data = BatchCall.data(name, [.bytes32], [.bytes32(channel.id)])
        let result = try await call(channel.contract, data, at: height)
        do throws(ABIError) {
            return try ABIDecoder.decode(result, as: types)
        } catch {
            throw .abi(error)
        }
    }
}
