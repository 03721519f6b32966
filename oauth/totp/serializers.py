from rest_framework import serializers

from providers.serializers import Moment


class EnrolledShape(serializers.Serializer):
    id = serializers.UUIDField(source="enrolment.id")
    account = serializers.CharField(source="enrolment.account")
    secret = serializers.CharField(help_text="In base32, for those who cannot scan. Shown once.")
    otpauth_uri = serializers.CharField(help_text="What the QR code says. It holds the secret.")
    qr_svg = serializers.CharField(help_text="The same as an SVG document, to be put on a page as it is.")


class VerifiedShape(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.CharField()
    verified = serializers.BooleanField(help_text="Always true: what is no right code is an error.")
    confirmed_now = serializers.BooleanField(help_text="Whether it was the first one, which confirms the enrolment.")
    confirmed_at = Moment()
