import HTTPTypes
import Hummingbird

/// One endpoint: where it is, who may call it, what it is for, and what it does. The router and
/// the OpenAPI document are both made of these, so that they cannot differ.
struct Route: Sendable {
    /// Who may call it.
    enum Access: String, Sendable {
        case anyone
        case apiKey = "apiKey"
        case node = "nodeSignature"
        case `operator` = "operatorToken"
    }

    /// A field of the body or of the answer, for the document.
    struct Field: Sendable {
        let name: String
        let type: String
        let isRequired: Bool
        let about: String

        static func required(_ name: String, _ type: String, _ about: String) -> Field {
            Field(name: name, type: type, isRequired: true, about: about)
        }

        static func optional(_ name: String, _ type: String, _ about: String) -> Field {
            Field(name: name, type: type, isRequired: false, about: about)
        }
    }

    let method: HTTPRequest.Method
    /// With parameters in braces: `/v1/jobs/{job}`.
    let path: String
    let access: Access
    let group: String
    let summary: String
    let body: [Field]
    let query: [Field]
    let isPaged: Bool
    let bodyLimit: Int
    /// Whether it takes long enough to be worth ending when the client goes away.
    let isLong: Bool
    let handle: @Sendable (Call) async throws -> Response

    init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, _ group: String,
        _ summary: String, body: [Field] = [], query: [Field] = [], isPaged: Bool = false,
        bodyLimit: Int = 256 << 10,
        isLong: Bool = false,
        _ handle: @escaping @Sendable (Call) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.group = group
        self.summary = summary
        self.body = body
        self.query = query
        self.isPaged = isPaged
        self.bodyLimit = bodyLimit
        self.isLong = isLong
        self.handle = handle
    }
}
