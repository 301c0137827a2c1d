public import Cryptography
public import Primitives

/// Vouchers of many channels claimed by one call, and paid by one transfer for each receiver.
///
/// The contract skips a row whose total is not above what was claimed, and undoes the whole call
/// for a row above its voucher or balance or with a wrong signature: check rows before, and halve a
/// claim that is refused.
public struct BatchClaim: Hashable, Sendable {
    /// One channel's voucher and how much of it is claimed.
    public struct Row: Hashable, Sendable {
        /// The channel.
        public let channel: BatchChannel
        /// Its best voucher.
        public let voucher: Voucher
        /// All that is claimed with this row and before it; at most what the voucher says.
        public let total: UInt128

        /// A row of these parts.
        public init(_ channel: BatchChannel, _ voucher: Voucher, total: UInt128) {
            self.channel = channel
            self.voucher = voucher
            self.total = total
        }
    }

    /// The most rows of a call: 100, as x402's own server sends. On the counterpart of the tests a
    /// row takes 37,000 gas, and 20,000 when the channel was claimed before.
    public static let maximumRows = 100

    /// The rows, in the order of their channels' ids; all of one contract.
    public let rows: [Row]
    /// The chain.
    public let chainID: UInt64
    /// The contract.
    public let contract: EVMAddress

    /// A claim of 1 to 100 rows of different channels at one contract. Throws `claimSize` for
    /// another count, `wrongDomain` for channels of several contracts, `malformed` for a channel
    /// twice, `wrongChannel` for another channel's voucher, `overspent` for a total above it.
    public init(_ rows: [Row]) throws(ChannelRefusal) {
        guard let first = rows.first, rows.count <= Self.maximumRows else { throw .claimSize }
        chainID = first.channel.chainID
        contract = first.channel.contract
        self.rows = rows.sorted { $0.channel.id < $1.channel.id }
        for row in self.rows {
            guard row.channel.domain == first.channel.domain else { throw .wrongDomain }
            guard row.voucher.channel == row.channel.id else { throw .wrongChannel }
            guard row.total <= row.voucher.cumulative else { throw .overspent }
        }
        guard zip(self.rows, self.rows.dropFirst()).allSatisfy({ $0.channel.id != $1.channel.id })
        else { throw .malformed }
    }

    /// Rows packed into as few claims as may be: those of one contract and one authorizer together.
    public static func packed(_ rows: [Row]) throws(ChannelRefusal) -> [BatchClaim] {
        var groups: [[EVMAddress]: [Row]] = [:]
        for row in rows {
            let config = row.channel.config
            groups[[row.channel.contract, config.receiverAuthorizer], default: []].append(row)
        }
        var claims: [BatchClaim] = []
        for (_, group) in groups.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let sorted = group.sorted { $0.channel.id < $1.channel.id }
            for start in stride(from: 0, to: sorted.count, by: maximumRows) {
                let part = sorted[start..<min(start + maximumRows, sorted.count)]
                claims.append(try BatchClaim(Array(part)))
            }
        }
        return claims
    }

    /// Who is paid by it, and what: a transfer each.
    public var sweeps: [BatchSweep] {
        let all = rows.map { row in
            BatchSweep(
                contract: contract, receiver: row.channel.config.receiver,
                token: row.channel.config.token)
        }
        return Set(all).sorted { ($0.receiver, $0.token) < ($1.receiver, $1.token) }
    }

    /// What the receivers' authorizer signs: `ClaimBatch(ClaimEntry[] claims)`.
    public var digest: Digest {
        let entry = "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
        var hashes: [UInt8] = []
        for row in rows {
            hashes +=
                EIP712.structHash(
                    type: entry,
                    words: [
                        row.channel.id, EIP712.word(row.voucher.cumulative), EIP712.word(row.total),
                    ]
                ).bytes
        }
        return EIP712.digest(
            domain: rows[0].channel.domain,
            structHash: EIP712.structHash(
                type: "ClaimBatch(ClaimEntry[] claims)" + entry, words: [Keccak256.hash(hashes)]))
    }

    /// The call, for the receiver or its authorizer to send; with the authorizer's key it is signed
    /// and anybody may send it. Throws `wrongSigner` for the key of another.
    public func callData(
        authorizer key: Secp256k1.PrivateKey? = nil
    ) throws(ChannelRefusal) -> [UInt8] {
        let claims = ABIValue.array(
            rows.map { row in
                .tuple([
                    .tuple([row.channel.abi, .uint(row.voucher.cumulative)]),
                    .bytes(row.voucher.signature), .uint(row.total),
                ])
            })
        let type = ABIType.array(
            .tuple([
                .tuple([BatchCall.config, BatchCall.uint128]), .bytes, BatchCall.uint128,
            ]))
        guard let key else { return BatchCall.data("claim", [type], [claims]) }
        guard rows.allSatisfy({ $0.channel.config.receiverAuthorizer == key.address }) else {
            throw .wrongSigner
        }
        return BatchCall.data(
            "claimWithSignature", [type, .bytes], [claims, .bytes(key.sign(digest).bytes)])
    }

    /// The claim's name for the given attempt, counted from 0: a hash of its channels and totals.
    /// The same claim is the same intent, so a manager sends it once.
    public func id(attempt: UInt32 = 0) -> Digest {
        var writer = ByteWriter()
        writer.writeRaw(Array("exchequer channel claim".utf8))
        writer.write(rows[0].channel.domain)
        for row in rows {
            writer.write(row.channel.id)
            writer.write(row.total)
        }
        writer.write(attempt)
        return Keccak256.hash(writer.bytes)
    }

    /// The two halves of a claim that was refused; `nil` of a single row, which is the bad one.
    public var halves: [BatchClaim]? {
        guard rows.count > 1 else { return nil }
        let middle = rows.count / 2
        return [Array(rows[..<middle]), Array(rows[middle...])].compactMap { try? BatchClaim($0) }
    }
}

/// One transfer of all that was claimed for a receiver in a token. It belongs after the claims that
/// it pays: before them the contract does nothing, and says nothing.
public struct BatchSweep: Hashable, Sendable {
    /// The contract.
    public let contract: EVMAddress
    /// Who is paid.
    public let receiver: EVMAddress
    /// In what.
    public let token: EVMAddress

    /// What the contract says of it.
    struct Sums: Hashable, Sendable {
        /// What was ever claimed.
        let claimed: UInt128
        /// How much of that was paid.
        let paid: UInt128
    }

    /// The name of the sweep that pays what was claimed up to a sum, in its turn.
    func id(claimed: UInt128, turn: Int64) -> Digest {
        var writer = ByteWriter()
        writer.writeRaw(Array("exchequer channel sweep".utf8))
        for address in [contract, receiver, token] { writer.write(address) }
        writer.write(claimed)
        writer.write(UInt64(bitPattern: turn))
        return Keccak256.hash(writer.bytes)
    }
}
