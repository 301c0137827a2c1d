import Inference
import Primitives

/// Why a node does not do, or no longer does, one stage of a job. It goes to the house in a `fault`
/// frame; the node lives on.
public struct NodeFault: Error, Hashable, Sendable {
    /// What was wrong. Numbers are stable for ever (`docs/reference/node-protocol.md`).
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// Bytes on the link are not a frame.
        case unreadableFrame = 100
        /// A frame for a job, or an attempt at it, that this node was not assigned.
        case unknownJob = 101
        /// A frame for another stage than this node was assigned.
        case wrongStage = 102
        /// A frame of a kind that this stage does not take.
        case wrongKind = 103
        /// A frame does not start at the next position.
        case outOfOrder = 104
        /// The number of activations is not rows times the model's width.
        case wrongActivationCount = 105
        /// An activation is infinite or not a number.
        case notFinite = 106
        /// A token is not in the vocabulary.
        case tokenOutOfRange = 107
        /// More positions than the assignment allows.
        case tooManyPositions = 108
        /// A frame has more rows than a frame may have.
        case oversizedFrame = 109
        /// The job ended before its prompt was run, or at another position than was reached.
        case wrongEnd = 110
        /// The assignment is not readable or not possible.
        case badAssignment = 201
        /// The assignment is for work this node does not offer.
        case notOffered = 202
        /// The node has as many jobs of this offer as it takes.
        case busy = 203
        /// The prompt and output are longer than was offered.
        case contextTooLong = 204
        /// Not enough memory.
        case outOfMemory = 205
        /// The node is shutting down.
        case stopping = 206
        /// The server that computes for this node is gone, or does not answer as it should.
        case upstreamFailed = 207
        /// The engine's result is not finite.
        case engineFailed = 301
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
            self.init(.wrongActivationCount, "\(found) activations where \(expected) belong")
        case .inputNotFinite:
            self.init(.notFinite, "an activation is infinite or not a number")
        case .tooManyPositions(let capacity, let needed):
            self.init(.tooManyPositions, "\(needed) positions where \(capacity) fit")
        case .outOfMemory, .poolExhausted:
            self.init(.outOfMemory, "not enough memory for this job")
        case .notFirstStage, .isFirstStage, .emptyInput:
            self.init(.wrongKind, "this stage does not take such input")
        case .notLastStage, .positionOutOfRange, .resultNotFinite, .invalidParameter,
            .sessionRepeated, .queueFull, .unusableFormat:
            self.init(.engineFailed, "the engine gave up: \(error)")
        }
    }

    /// The frame that tells the house.
    func frame(stage: UInt16, job: JobID, attempt: UInt32) -> WireFrame {
        .fault(
            code: code.rawValue, text: reason, stage: stage, job: job, attempt: attempt)
    }
}

extension NodeFault: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "node_\(code.rawValue): \(reason)" }
}
