import Inference
import Primitives

/// Why a request on a ring ended early. It goes both ways along the ring in `fault` frames and ends
/// this request only; the stages and other requests live on.
public struct RingFault: Error, Hashable, Sendable {
    /// What was wrong. Numbers are stable for ever (`docs/reference/wire.md`).
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// Bytes on a link are not a frame.
        case unreadableFrame = 600
        /// A frame for a request that was not opened on this link.
        case unknownRequest = 601
        /// A frame of a kind that is not taken here.
        case wrongKind = 602
        /// The order to open is not readable, or its numbers cannot be.
        case badOpen = 603
        /// The request has been opened already.
        case alreadyOpen = 604
        /// The stage holds another model.
        case wrongModel = 605
        /// The stage does not hold the next layers, or the last stage not the last ones.
        case wrongLayers = 606
        /// The stage has as many requests as it takes.
        case busy = 607
        /// More positions than a request may have here.
        case contextTooLong = 608
        /// Not enough memory.
        case outOfMemory = 609
        /// A peer that is not listed, or an address that is none.
        case badHop = 610
        /// A window does not start at the next position of its epoch.
        case outOfOrder = 611
        /// A window takes back what was settled.
        case settledTakenBack = 612
        /// More rows in one window than a window may have.
        case tooManyRows = 613
        /// Rows of another width than the model's, or none where some belong.
        case wrongWidth = 614
        /// More positions than the request was opened for.
        case tooManyPositions = 615
        /// More windows of one request wait than may.
        case tooMuchWaiting = 616
        /// A value is infinite or not a number.
        case notFinite = 617
        /// A token is not in the vocabulary.
        case tokenOutOfRange = 618
        /// The engine's result is not usable.
        case engineFailed = 619
        /// A link of the ring broke or never came about.
        case linkLost = 620
        /// A verdict that cannot be.
        case badVerdict = 621
        /// Nothing came back in time.
        case timedOut = 622
        /// The stage is shutting down.
        case stopping = 623
        /// What the head was asked for cannot be.
        case badRequest = 624
        /// A fault of a number that this version does not have.
        case unknown = 699
    }

    /// What was wrong.
    public let code: Code
    /// One sentence for a person.
    public let reason: String

    /// A fault with its reason.
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The fault that an error of the engine is.
    init(_ error: EngineError) {
        switch error {
        case .tokenOutOfRange(let token):
            self.init(.tokenOutOfRange, "token \(token) is not in the vocabulary")
        case .wrongActivationCount(let expected, let found):
            self.init(.wrongWidth, "\(found) values where \(expected) belong")
        case .inputNotFinite:
            self.init(.notFinite, "a value that came in is infinite or not a number")
        case .tooManyPositions(let capacity, let needed):
            self.init(.contextTooLong, "\(needed) positions where \(capacity) fit")
        case .outOfMemory, .poolExhausted:
            self.init(.outOfMemory, "not enough memory for this request")
        case .invalidParameter(let field):
            self.init(.badOpen, "the sampling parameter \(field) is out of its range")
        case .unusableFormat(let error):
            self.init(.badOpen, "\(error)")
        case .emptyInput, .notFirstStage, .isFirstStage, .notLastStage, .positionOutOfRange,
            .resultNotFinite, .sessionRepeated, .queueFull:
            self.init(.engineFailed, "the engine gave up: \(error)")
        }
    }

    /// The fault in a frame; `nil` for a frame of another kind.
    init?(_ frame: WireFrame) {
        guard let (code, text) = frame.fault else { return nil }
        self.init(Code(rawValue: code) ?? .unknown, text)
    }

    /// The frame that tells a neighbour.
    func frame(stage: UInt16, job: JobID) -> WireFrame {
        .fault(code: code.rawValue, text: reason, stage: stage, job: job, attempt: 1)
    }
}

extension RingFault: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "ring_\(code.rawValue): \(reason)" }
}
