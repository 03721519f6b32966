"""The message-template app: texts that Meta approved, with slots. (Pages keep their HTML inside their own app.)"""
