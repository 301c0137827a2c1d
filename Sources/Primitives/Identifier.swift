/// A number that names one record of one kind.
///
/// Identifiers are given out densely from 1 by the clearing state machine, so a record is found by
/// indexing an array and never by hashing; 0 means "none". The phantom `Kind` keeps a job's number
/// from being used as an offer's.
public struct Identifier<Kind>: Hashable, Comparable, Sendable {
    /// The number; 0 means none.
    public let rawValue: UInt64

    /// Names the record with this number.
    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The identifier that names nothing.
    @inlinable
    public static var none: Identifier { Identifier(0) }

    @inlinable
    public static func < (left: Identifier, right: Identifier) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension Identifier: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

extension Identifier: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(rawValue)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readUInt64())
    }
}

/// The kinds of record an `Identifier` can name.
public enum Kinds {
    /// A person or company that owns money: buyer, provider, verifier or the house.
    public enum Party {}
    /// A machine of a provider, with its own Ed25519 key.
    public enum Node {}
    /// A registered model manifest.
    public enum Model {}
    /// A priced promise of capacity.
    public enum Offer {}
    /// A demand matched to a pipeline with a hold on the buyer's money.
    public enum Job {}
    /// A recorded verdict on a job.
    public enum Verdict {}
    /// An emission period.
    public enum Epoch {}
    /// What one settlement pays.
    public enum Batch {}
    /// Payments that the house sends together.
    public enum Dispersal {}
    /// A payment channel from the house to a payee.
    public enum Channel {}
}

/// Names a party: whoever owns accounts.
public typealias PartyID = Identifier<Kinds.Party>
/// Names a provider's node.
public typealias NodeID = Identifier<Kinds.Node>
/// Names a registered model.
public typealias ModelID = Identifier<Kinds.Model>
/// Names an offer.
public typealias OfferID = Identifier<Kinds.Offer>
/// Names a job.
public typealias JobID = Identifier<Kinds.Job>
/// Names a verdict.
public typealias VerdictID = Identifier<Kinds.Verdict>
/// Names an emission epoch.
public typealias EpochID = Identifier<Kinds.Epoch>
/// Names a settlement batch.
public typealias BatchID = Identifier<Kinds.Batch>
/// Names a dispersal.
public typealias DispersalID = Identifier<Kinds.Dispersal>
/// Names a payment channel.
public typealias ChannelID = Identifier<Kinds.Channel>
