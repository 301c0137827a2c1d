public import Primitives

/// Where a settlement batch stands. Numbers are stable for ever.
public enum BatchState: UInt8, CaseIterable, Hashable, Sendable {
    /// Cut: its lines are fixed, its root is not computed yet.
    case cut = 1
    /// Its root is known and is being committed to the chain; the outcome may be unknown.
    case sealed = 2
    /// Its root is final on chain.
    case confirmed = 3
    /// Its root was final on chain and a guardian dropped it before it paid. Another batch has to
    /// repeat its claims.
    case disputed = 4
    /// The root before it was disputed after this one was cut, which repeats its claims: nothing is
    /// sent until a person has said so.
    case held = 5
}

/// One leaf of a batch: all that an address has ever been allotted in one asset.
public struct BatchLine: Hashable, Sendable {
    /// Who it belongs to.
    public let party: PartyID
    /// Who can claim it.
    public let address: EVMAddress
    /// In what.
    public let asset: Asset
    /// All it was ever allotted, in chain units.
    public let cumulative: UInt128

    /// A line of these parts.
    public init(party: PartyID, address: EVMAddress, asset: Asset, cumulative: UInt128) {
        self.party = party
        self.address = address
        self.asset = asset
        self.cumulative = cumulative
    }
}

extension [BatchLine] {
    /// The line of a party in an asset, of a batch's lines; `nil` if there is none. O(log lines).
    public func line(of party: PartyID, in asset: Asset) -> BatchLine? {
        let place = places { line in
            (line.party.rawValue, line.asset.rawValue) < (party.rawValue, asset.rawValue)
        }
        guard place < count, self[place].party == party, self[place].asset == asset else {
            return nil
        }
        return self[place]
    }
}

/// What one settlement pays: cumulative allotments, so that committing a root twice or skipping
/// one can never pay anybody twice.
public struct Batch: Hashable, Sendable {
    /// The batch's number, from 1, without gaps.
    public let id: BatchID
    /// When it was cut.
    public let cutAt: Timestamp
    /// Every address with anything allotted, in order of party and asset.
    public let lines: [BatchLine]
    /// What this batch adds, in chain units, by asset.
    public let added: [UInt128]
    /// Where it stands.
    public internal(set) var state: BatchState = .cut
    /// The Merkle root of the lines; zero until sealed.
    public internal(set) var root: Digest = .zero
    /// What the house owed when it was sealed; `nil` until then, and in batches of before there
    /// was such a commitment.
    public internal(set) var liabilities: LiabilityCommitment?
    /// The transaction that committed it; zero until confirmed.
    public internal(set) var transaction: Digest = .zero

    /// What this batch adds, in chain units of `asset`.
    public func added(_ asset: Asset) -> UInt128 { added[asset.slot] }
}
