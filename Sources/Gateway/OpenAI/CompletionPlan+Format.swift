import Inference
import Service

/// What the answer's text must be.
extension CompletionPlan {
    private static let field = "response_format"
    /// A body is no longer than what its route takes.
    private static let maximumBytes = 4 << 20

    /// The format of `response_format`, if it can be enforced with the model's vocabulary.
    static func format(
        _ body: CompletionBody, text: some Sequence<UInt8>, _ model: ServedModel
    ) throws(APIError) -> OutputFormat {
        guard let wanted = body.responseFormat else { return .text }
        do throws(SchemaError) {
            let format: OutputFormat
            switch wanted.type {
            case "text": return .text
            case "json_object": format = .jsonObject
            case "json_schema":
                let whole = try OrderedJSON(text, maximumBytes: maximumBytes)
                guard let schema = whole[field]?["json_schema"]?["schema"] else {
                    throw SchemaError(.invalidKeyword, "'json_schema' has no 'schema'")
                }
                format = try OutputFormat(schema: schema)
            default:
                throw SchemaError(
                    .invalidKeyword, "'type' is 'text', 'json_object' or 'json_schema'")
            }
            _ = try model.file.constraints.constraint(for: format)
            return format
        } catch {
            throw .invalid(field, "'\(field)' cannot be enforced: \(error)")
        }
    }
}
