public import Primitives

/// Where an offer stands. Numbers are stable for ever.
public enum OfferState: UInt8, CaseIterable, Hashable, Sendable {
    /// Can be matched while its node is connected and its owner's bond covers it.
    case live = 1
    /// Taken back by its owner.
    case withdrawn = 2
    /// Ran out.
    case expired = 3
    /// Ended by a conviction.
    case revoked = 4
}

/// A priced promise of capacity.
public struct Offer: Hashable, Sendable {
    /// The offer's number.
    public let id: OfferID
    /// The owner of the node.
    public let party: PartyID
    /// What was posted.
    public let draft: OfferDraft
    /// When it was posted.
    public let createdAt: Timestamp
    /// Where it stands.
    public internal(set) var state: OfferState = .live
    /// Jobs that run on it now.
    public internal(set) var running: UInt16 = 0

    /// The arithmetic that receipts for work on this offer name, for a model of this profile.
    public func profile(of model: ModelDraft) -> Digest {
        draft.numerics == .exact ? model.profile : Numerics.statisticalProfile
    }

    /// The most that serving this many tokens costs.
    public func cost(promptTokens: UInt32, outputTokens: UInt32) -> Amount {
        draft.inputPrice.cost(tokens: UInt64(promptTokens))
            + draft.outputPrice.cost(tokens: UInt64(outputTokens))
    }
}
