"""What a scope lets an application do, in words for the person who is asked."""

WORDS = {
    "openid": "see who you are",
    "profile": "see your name and picture",
    "email": "see your e-mail address",
    "public_profile": "see your name and picture",
    "name": "see your name",
    "offline_access": "go on while you are away",
    "offline.access": "go on while you are away",
    "User.Read": "see your name and address",
    "Mail.Send": "send e-mail in your name",
    "https://www.googleapis.com/auth/gmail.send": "send e-mail in your name",
    "users.read": "see your account",
    "users.email": "see your e-mail address",
    "tweet.read": "read your posts",
    "tweet.write": "post in your name",
    "read:user": "see your account",
    "user:email": "see your e-mail addresses",
    "instagram_business_basic": "see your account and your posts",
}


def in_words(scopes: list[str]) -> list[str]:
    """Each once, in the order of the scopes; a scope without words stands for itself."""
    return list(dict.fromkeys(WORDS.get(scope, scope) for scope in scopes))
