"""AWS Bedrock's Converse API."""
