from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.control import sending
from bench.control.serializers import ExecutionSerializer, OrderSerializer


class QuotaUsedUp(APIException):
    status_code = 422
    default_detail = "The executions of this month are used up."


class ExecuteView(APIView):
    def post(self, request: Request) -> Response:
        order = OrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        caller: Any = request.user
        try:
            execution = sending.execute(caller.tenant_id, order.validated_data)
        except sending.QuotaExceeded as error:
            raise QuotaUsedUp from error
        return Response(ExecutionSerializer(execution).data)
