"""Google's generateContent API: Google AI and Vertex AI."""
