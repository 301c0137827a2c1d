import Primitives

/// The JSON bodies of the control protocol (`docs/reference/node-protocol.md`), as they travel.
/// Keys are the snake-case spelling of these names.
enum HouseMessages {
    struct Chain: Decodable, Sendable {
        let id: UInt64
    }

    struct Register: Encodable, Sendable {
        let address: String
        let authorisation: String
        let name: String?
        let kernel: String
    }

    struct Registration: Decodable, Sendable {
        struct Wire: Decodable, Sendable {
            let host: String
            let port: Int
        }

        let party: UInt64
        let node: UInt64
        let houseKey: String
        let wire: Wire
    }

    struct Models: Decodable, Sendable {
        struct Entry: Decodable, Sendable {
            let id: String
            let root: String
        }

        let data: [Entry]
    }

    struct Offer: Encodable, Sendable {
        let model: String
        let layers: [UInt16]
        let weights: String
        let inputPrice: String
        let outputPrice: String
        let concurrency: UInt16
        let context: UInt32
        let region: String
        let expiresIn: UInt64
        let numerics: String
    }

    struct OfferAnswer: Decodable, Sendable {
        let offer: UInt64
    }

    struct Verifier: Encodable, Sendable {
        let model: String
    }

    struct Receipt: Encodable, Sendable {
        let receipt: String
        let logits: String?
    }

    struct Verdict: Encodable, Sendable {
        let verdict: String
    }

    struct Cancel: Decodable, Sendable {
        let job: UInt64
        let attempt: UInt32
    }

    struct Audit: Decodable, Sendable {
        let job: UInt64
        let attempt: UInt32
    }

    struct Weights: Decodable, Sendable {
        let challenge: String
        let milliseconds: UInt32
    }

    struct WeightProof: Encodable, Sendable {
        let proof: String
    }

    struct Failure: Decodable, Sendable {
        struct Body: Decodable, Sendable {
            let message: String?
            let code: String?
            let rejection: UInt16?
        }

        let error: Body?
        let rejection: UInt16?

        /// The rejection number, wherever the house put it.
        var number: UInt16? {
            rejection ?? error?.rejection
                ?? error?.code.flatMap { UInt16($0.split(separator: "_").last ?? "") }
        }
    }
}
