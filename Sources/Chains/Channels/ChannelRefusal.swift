/// Why a channel, a voucher or a claim is refused. Numbers are stable for ever and never reused;
/// what is refused changes nothing. In this order: the first that holds is the reason.
public enum ChannelRefusal: UInt16, Error, CaseIterable, Hashable, Sendable {
    /// Not the form: a field is missing, too much or of another type, or has another length.
    case malformed = 1
    /// It says the same as another text or signature, which is the one that counts.
    case notCanonical = 2
    /// Terms that the contract or program would not open.
    case invalidTerms = 3
    /// Of another chain, contract or program, or of another kind of payload.
    case wrongDomain = 4
    /// Of another channel, or the channel's id does not follow from its terms.
    case wrongChannel = 5
    /// Nobody opened this channel here.
    case unknownChannel = 6
    /// The channel is open here already, with these or other terms.
    case channelExists = 7
    /// As many channels are kept as may be.
    case tooManyChannels = 8
    /// The payer takes the deposit back, or has.
    case closing = 9
    /// Not above what the best voucher says, or what was claimed.
    case notHigher = 10
    /// Above what lies in the channel.
    case overDeposit = 11
    /// Expired, or so soon that it could not be claimed in time.
    case expired = 12
    /// The signature's scalar is in the high half of its range, from which everybody could make
    /// another signature of the same voucher.
    case highS = 13
    /// No signature of anybody.
    case badSignature = 14
    /// Signed by another key than the channel's.
    case wrongSigner = 15
    /// More would be spent than the vouchers say.
    case overspent = 16
    /// A claim of the channel is under way.
    case claimUnderWay = 17
    /// No such claim is under way.
    case noSuchClaim = 18
    /// More claims than one transaction takes, or none.
    case claimSize = 19

    /// One sentence for people.
    public var message: String {
        switch self {
        case .malformed: "it is not of the form: a field is missing, too much or of a wrong length"
        case .notCanonical: "it is not in the one form that counts"
        case .invalidTerms: "no such channel can be opened"
        case .wrongDomain: "it is of another chain, contract or program"
        case .wrongChannel: "it is of another channel"
        case .unknownChannel: "nobody opened this channel here"
        case .channelExists: "the channel is open here already"
        case .tooManyChannels: "as many channels are kept as may be"
        case .closing: "the payer takes the deposit back"
        case .notHigher: "it is not above what was signed or claimed before"
        case .overDeposit: "it is above what lies in the channel"
        case .expired: "it is expired, or would be before it is claimed"
        case .highS: "the signature's scalar is in the high half, so it has a twin"
        case .badSignature: "it is nobody's signature"
        case .wrongSigner: "another key than the channel's signed it"
        case .overspent: "more would be spent than was signed"
        case .claimUnderWay: "a claim of the channel is under way"
        case .noSuchClaim: "no such claim is under way"
        case .claimSize: "one transaction takes no so many claims"
        }
    }
}

extension ChannelRefusal: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "refusal \(rawValue): \(message)" }
}
