import Foundation
import HTTPTypes
import Hummingbird

/// The API as an OpenAPI 3.1 document, made of the routes themselves.
enum OpenAPI {
    /// The document of these routes as JSON.
    static func document(of routes: [Route]) -> ByteBuffer {
        var paths: [String: [String: Any]] = [:]
        for route in routes {
            let method = route.method.rawValue.lowercased()
            paths[route.path, default: [:]][method] = operation(route)
        }
        let document: [String: Any] = [
            "openapi": "3.1.0",
            "info": [
                "title": "Exchequer",
                "version": "1",
                "description": "The clearing house of decentralised inference. OpenAI's clients "
                    + "work with the base URL of this server and /v1.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "paths": paths,
            "components": ["securitySchemes": schemes, "schemas": schemas],
        ]
        let data = try? JSONSerialization.data(
            withJSONObject: document, options: [.sortedKeys, .withoutEscapingSlashes])
        return ByteBuffer(bytes: data ?? Data("{}".utf8))
    }

    private static var schemes: [String: Any] {
        [
            "apiKey": [
                "type": "http", "scheme": "bearer", "description": "exq_ and 64 hex digits",
            ],
            "operatorToken": ["type": "http", "scheme": "bearer"],
            "nodeSignature": [
                "type": "apiKey", "in": "header", "name": "Exchequer-Signature",
                "description":
                    "With Exchequer-Node and Exchequer-Time: docs/reference/node-protocol.md",
            ],
        ]
    }

    private static var schemas: [String: Any] {
        [
            "Error": [
                "type": "object", "required": ["error"],
                "properties": [
                    "error": [
                        "type": "object", "required": ["message", "type", "code", "param"],
                        "properties": [
                            "message": ["type": "string"], "type": ["type": "string"],
                            "code": ["type": "string"], "param": ["type": ["string", "null"]],
                            "rejection": ["type": "integer"],
                        ],
                    ]
                ],
            ]
        ]
    }

    private static func operation(_ route: Route) -> [String: Any] {
        var operation: [String: Any] = [
            "summary": route.summary, "tags": [route.group],
            "operationId": name(route),
            "responses": [
                "200": ["description": "Done"],
                "default": [
                    "description": "An error",
                    "content": [
                        "application/json": ["schema": ["$ref": "#/components/schemas/Error"]]
                    ],
                ],
            ],
        ]
        if route.access != .anyone { operation["security"] = [[route.access.rawValue: []]] }
        let parameters =
            pathParameters(route) + route.query.map(queryParameter)
            + (route.isPaged ? pageParameters : [])
        if !parameters.isEmpty { operation["parameters"] = parameters }
        if !route.body.isEmpty { operation["requestBody"] = body(route) }
        return operation
    }

    private static func name(_ route: Route) -> String {
        let words = route.path.split { !$0.isLetter }.dropFirst(route.path.hasPrefix("/v1") ? 1 : 0)
        return route.method.rawValue.lowercased()
            + words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private static func pathParameters(_ route: Route) -> [[String: Any]] {
        route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { part in
            [
                "name": String(part.dropFirst().dropLast()), "in": "path", "required": true,
                "schema": ["type": "string"],
            ]
        }
    }

    private static func queryParameter(_ field: Route.Field) -> [String: Any] {
        [
            "name": field.name, "in": "query", "required": field.isRequired,
            "description": field.about, "schema": ["type": field.type],
        ]
    }

    private static var pageParameters: [[String: Any]] {
        [
            [
                "name": "limit", "in": "query", "description": "Items on a page, 1 to 1,000",
                "schema": ["type": "integer", "default": 100],
            ],
            [
                "name": "after", "in": "query", "description": "Only numbers above this one",
                "schema": ["type": "integer", "default": 0],
            ],
        ]
    }

    private static func body(_ route: Route) -> [String: Any] {
        var properties: [String: Any] = [:]
        for field in route.body {
            properties[field.name] = ["type": field.type, "description": field.about]
        }
        return [
            "required": true,
            "content": [
                "application/json": [
                    "schema": [
                        "type": "object", "properties": properties,
                        "required": route.body.filter(\.isRequired).map(\.name),
                    ]
                ]
            ],
        ]
    }
}
